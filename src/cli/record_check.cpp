#include "cli/record_check.hpp"

#include <bit>
#include <cstdio>
#include <utility>

namespace headrace::cli {

namespace {

std::string place(std::uint64_t index, std::string_view field) {
    return "record " + std::to_string(index) + ", field \"" + std::string(field) + "\"";
}

std::string hex(std::uint32_t word) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", word);
    return text;
}

// Empty where nothing is wrong with the field.
template <class T>
std::string explain_field(std::uint64_t index, std::string_view name, std::uint32_t field,
                          std::span<const T> values, std::size_t wanted) {
    if (values.size() != wanted) {
        return place(index, name) + ": " + std::to_string(values.size()) + " elements found, " +
               std::to_string(wanted) + " wanted";
    }
    const std::uint32_t base = pattern_base(index, field);
    const std::size_t element = first_mismatch(values, base);
    if (element == values.size()) return {};
    return place(index, name) + ", element " + std::to_string(element) + ": found " +
           hex(std::bit_cast<std::uint32_t>(values[element])) + ", wanted " +
           hex(pattern_value<std::uint32_t>(base, element));
}

}  // namespace

bool RecordCheck::fail(std::string what) {
    if (mismatch_.empty()) mismatch_ = std::move(what);
    return false;
}

void RecordCheck::explain(std::uint64_t index, std::span<const float> floats,
                          std::span<const std::int32_t> ints) {
    std::string what = explain_field(index, "floats", kFloats, floats, floats_of(index));
    if (what.empty()) what = explain_field(index, "ints", kInts, ints, ints_of(index));
    // The second look may find what the first did not, when a slot is written while it is read.
    if (what.empty()) what = place(index, "floats or ints") + ": changed while it was read";
    fail(std::move(what));
}

}  // namespace headrace::cli
