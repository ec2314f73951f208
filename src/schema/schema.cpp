#include "headrace/schema.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "headrace/error.hpp"

namespace headrace {

namespace {

bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

void check_fields(const std::vector<Field>& fields) {
    if (fields.size() > kMaxFields) {
        throw UsageError("schema: " + std::to_string(fields.size()) + " fields, wanted at most " +
                         std::to_string(kMaxFields));
    }
    std::set<std::string_view> seen;
    for (const Field& field : fields) {
        check_name("field name", field.name, kMaxFieldNameBytes);
        if (!seen.insert(field.name).second) {
            throw UsageError("schema: the field \"" + field.name + "\" is there twice");
        }
        if (bytes_of(field.dtype) == 0) {
            throw UsageError("field \"" + field.name + "\": dtype " +
                             std::to_string(static_cast<int>(field.dtype)) +
                             " is unknown, wanted 1 (f32) to 9 (u8)");
        }
        if (field.capacity == 0) {
            throw UsageError("field \"" + field.name + "\": capacity 0, wanted at least 1 element");
        }
    }
}

}  // namespace

void check_name(std::string_view what, std::string_view name, std::size_t max_bytes) {
    const std::string quoted = std::string(what) + " \"" + std::string(name) + "\": ";
    if (name.empty() || name.size() > max_bytes) {
        throw UsageError(quoted + std::to_string(name.size()) + " bytes long, wanted 1 to " +
                         std::to_string(max_bytes));
    }
    const auto bad = std::find_if_not(name.begin(), name.end(), is_name_byte);
    if (bad != name.end()) {
        throw UsageError(quoted + "found '" + std::string(1, *bad) +
                         "', wanted letters, digits, '_', '-' and '.' only");
    }
    if (name == "." || name == "..") {
        throw UsageError(quoted + "is a directory, wanted a name");
    }
}

Schema::Schema(std::initializer_list<Field> fields) : Schema(std::vector<Field>(fields)) {}

Schema::Schema(std::vector<Field> fields) : fields_(std::move(fields)) {
    check_fields(fields_);
}

Schema Schema::float_int(std::uint32_t max_floats, std::uint32_t max_ints) {
    return Schema{{"floats", DType::f32, max_floats}, {"ints", DType::i32, max_ints}};
}

std::size_t Schema::index_of(std::string_view name) const {
    const auto found = std::find_if(fields_.begin(), fields_.end(),
                                    [name](const Field& field) { return field.name == name; });
    if (found == fields_.end()) {
        throw UsageError("no field \"" + std::string(name) + "\"; there are: " + to_string());
    }
    return static_cast<std::size_t>(found - fields_.begin());
}

std::size_t Schema::index_of(std::string_view name, DType wanted) const {
    const std::size_t field = index_of(name);
    expect(field, wanted);
    return field;
}

void Schema::expect(std::size_t field, DType wanted) const {
    if (field >= fields_.size()) {
        throw UsageError("no field number " + std::to_string(field) +
                         "; there are: " + to_string());
    }
    if (fields_[field].dtype != wanted) {
        throw UsageError("field \"" + fields_[field].name + "\" is of dtype " +
                         std::string(name_of(fields_[field].dtype)) + ", asked for as " +
                         std::string(name_of(wanted)));
    }
}

std::uint64_t Schema::record_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const Field& field : fields_)
        bytes += std::uint64_t{field.capacity} * bytes_of(field.dtype);
    return bytes;
}

std::string Schema::to_string() const {
    std::string text;
    for (const Field& field : fields_) {
        if (!text.empty()) text += ", ";
        text += field.name + " " + std::string(name_of(field.dtype)) + "[" +
                std::to_string(field.capacity) + "]";
    }
    return text.empty() ? "no field" : text;
}

}  // namespace headrace
