#include "headrace/state.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "headrace/error.hpp"

namespace headrace {

namespace {

constexpr std::uint64_t kStateVersion = 1;

[[noreturn]] void fail(const std::string& found) {
    throw UsageError("loader state: found " + found +
                     ", wanted one line as State::to_json() writes it");
}

// A flat JSON object whose values are whole numbers, null or plain strings, which is all that a
// state is. Values are kept as they stand there, strings without their quotes.
class FlatObject {
  public:
    explicit FlatObject(std::string_view text) : rest_(text) {
        expect('{');
        do {
            std::string key = quoted();
            expect(':');
            std::string value = next() == '"' ? quoted() : word();
            if (values_.contains(key)) fail("the key \"" + key + "\" twice");
            values_.emplace(std::move(key), std::move(value));
        } while (accept(','));
        expect('}');
        if (next() != '\0') fail("something behind the closing brace");
    }

    const std::string& text(const std::string& key) const {
        const auto found = values_.find(key);
        if (found == values_.end()) fail("no key \"" + key + "\"");
        return found->second;
    }

    template <class Number>
    Number number(const std::string& key) const {
        const std::string& digits = text(key);
        Number value{};
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size()) {
            fail("\"" + key + "\": " + digits + " (no whole number, or too large)");
        }
        return value;
    }

  private:
    // The next character that is no white space; 0 at the end.
    char next() {
        const std::size_t skip = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(skip == std::string_view::npos ? rest_.size() : skip);
        return rest_.empty() ? '\0' : rest_.front();
    }
    bool accept(char wanted) {
        if (next() != wanted) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char wanted) {
        if (!accept(wanted)) fail("\"" + std::string(rest_.substr(0, 20)) + "\" for " + wanted);
    }
    std::string quoted() {
        expect('"');
        const std::size_t end = rest_.find('"');
        if (end == std::string_view::npos) fail("a string without an end");
        std::string text(rest_.substr(0, end));
        rest_.remove_prefix(end + 1);
        return text;
    }
    std::string word() {
        const std::size_t end = std::min(rest_.find_first_of(" \t\r\n,}"), rest_.size());
        std::string text(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return text;
    }

    std::string_view rest_;
    std::map<std::string, std::string> values_;
};

}  // namespace

std::string State::to_json() const {
    return "{\"headrace_state\":" + std::to_string(kStateVersion) +
           ",\"index\":" + std::to_string(index) +
           ",\"epoch_records\":" + std::to_string(epoch_records) +
           ",\"shuffle_seed\":" + (shuffle_seed ? std::to_string(*shuffle_seed) : "null") +
           ",\"rank\":" + std::to_string(rank) + ",\"world_size\":" + std::to_string(world_size) +
           ",\"remainder\":\"" + (remainder == Remainder::pad ? "pad" : "drop") + "\"}";
}

State State::from_json(std::string_view json) {
    const FlatObject object(json);
    if (object.number<std::uint64_t>("headrace_state") != kStateVersion) {
        fail("version " + object.text("headrace_state") + " of the format");
    }
    State state;
    state.index = object.number<std::uint64_t>("index");
    state.epoch_records = object.number<std::uint64_t>("epoch_records");
    if (object.text("shuffle_seed") != "null") {
        state.shuffle_seed = object.number<std::uint64_t>("shuffle_seed");
    }
    state.rank = object.number<std::uint32_t>("rank");
    state.world_size = object.number<std::uint32_t>("world_size");
    const std::string& remainder = object.text("remainder");
    if (remainder != "drop" && remainder != "pad") fail("remainder \"" + remainder + "\"");
    state.remainder = remainder == "pad" ? Remainder::pad : Remainder::drop;
    return state;
}

}  // namespace headrace
