#include "headrace/state.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "headrace/error.hpp"

namespace headrace {

namespace {

constexpr std::uint64_t kStateVersion = 2;

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

// What version 1 does not say follows from its index, for nobody's origin was another than 0.
State completed(const State& state) {
    if (state.epoch_records == 0) return state;
    try {
        return State::of(Sampler({.epoch_records = state.epoch_records,
                                  .shuffle_seed = state.shuffle_seed,
                                  .rank = state.rank,
                                  .world_size = state.world_size,
                                  .remainder = state.remainder}),
                         state.index);
    } catch (const UsageError& error) {
        fail(std::string("the options of no run: ") + error.what());
    }
}

}  // namespace

State State::of(const Sampler& sampler, std::uint64_t index) {
    const SamplerOptions& options = sampler.options();
    return {.index = index,
            .epoch = sampler.epoch_of(index),
            .position = sampler.global_position_of(index),
            .epoch_records = options.epoch_records,
            .shuffle_seed = options.shuffle_seed,
            .rank = options.rank,
            .world_size = options.world_size,
            .remainder = options.remainder,
            .origin_epoch = options.origin_epoch,
            .origin_position = options.origin_position};
}

std::string State::to_json() const {
    const auto number = [](const char* key, std::uint64_t value) {
        return ",\"" + std::string(key) + "\":" + std::to_string(value);
    };
    return "{\"headrace_state\":" + std::to_string(kStateVersion) + number("index", index) +
           number("epoch", epoch) + number("position", position) +
           number("epoch_records", epoch_records) +
           ",\"shuffle_seed\":" + (shuffle_seed ? std::to_string(*shuffle_seed) : "null") +
           number("rank", rank) + number("world_size", world_size) + ",\"remainder\":\"" +
           (remainder == Remainder::pad ? "pad" : "drop") + "\"" +
           number("origin_epoch", origin_epoch) + number("origin_position", origin_position) + "}";
}

State State::from_json(std::string_view json) {
    const FlatObject object(json);
    const auto version = object.number<std::uint64_t>("headrace_state");
    if (version != 1 && version != kStateVersion) {
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
    if (version == 1) return completed(state);
    state.epoch = object.number<std::uint64_t>("epoch");
    state.position = object.number<std::uint64_t>("position");
    state.origin_epoch = object.number<std::uint64_t>("origin_epoch");
    state.origin_position = object.number<std::uint64_t>("origin_position");
    return state;
}

}  // namespace headrace
