// Writes the inputs that fuzzing starts from: good conversations, good headers, good rings, each of
// which the fuzzer makes worse from there. tests/fuzz/corpus is what this program writes:
//
//   headrace_fuzz_seeds tests/fuzz/corpus
//
// To be run again when a layout or a message changes. The formats are told where each is read.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "ring/layout.hpp"
#include "ring/rendezvous.hpp"
#include "ring/word.hpp"

namespace {

using namespace headrace;

class Seed {
  public:
    Seed(std::initializer_list<int> bytes) { add(bytes); }
    Seed& add(std::initializer_list<int> bytes) {
        for (const int byte : bytes) text_ += static_cast<char>(byte);
        return *this;
    }
    template <class T>
    Seed& put(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        text_.append(reinterpret_cast<const char*>(&value), sizeof(value));
        return *this;
    }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

void write(const std::filesystem::path& folder, const std::string& name, const Seed& seed) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / name, std::ios::binary) << seed.text();
}

// ---- header ----

ring::Header header_of(const ring::Description& description) {
    const ring::Geometry g = ring::Geometry::of(description.schema, description.slots);
    std::vector<std::byte> memory(g.memory_bytes);
    ring::format(memory, description);
    ring::Header header;
    std::memcpy(&header, memory.data(), sizeof(header));
    return header;
}

ring::Description stream(Schema schema, std::uint32_t slots) {
    return {.name = "fuzz", .schema = std::move(schema), .slots = slots, .sampler = {}};
}

ring::Description sampled(std::uint32_t slots, const SamplerOptions& options, std::uint64_t start) {
    ring::Description description = stream(Schema::float_int(8, 4), slots);
    description.sampler.emplace(options);
    description.start_index = start;
    return description;
}

Schema many_fields() {
    std::vector<Field> fields;
    for (std::size_t i = 0; i < kMaxFields; ++i) {
        fields.push_back({"f" + std::to_string(i), static_cast<DType>(1 + i % 9),
                          static_cast<std::uint32_t>(1 + 7 * i)});
    }
    return Schema(std::move(fields));
}

void write_headers(const std::filesystem::path& folder) {
    const auto classic = header_of(stream(Schema::float_int(32, 4), 4));
    const auto put = [&](const char* name, int repairs, const ring::Header& header) {
        // A slot's word in the memory behind it: ready, and another one that waits to be claimed.
        write(folder, name,
              Seed{repairs}
                  .put(header)
                  .add({0, 1, 2, 0})
                  .put(ring::pack(0, ring::SlotState::ready, 1, 1))
                  .put(ring::pack(5, ring::SlotState::free))
                  .add({1, 0, 0, 0, 4, 0, 0, 0, 0xff, 0xff, 0xff}));
    };
    put("classic", 0, classic);
    put("classic-repaired", 3, classic);
    put("many-fields", 3, header_of(stream(many_fields(), 7)));
    put("many-fields-hash", 1, header_of(stream(many_fields(), 7)));
    put("classic-hash", 1, classic);
    put("many-slots", 3, header_of(stream({{"x", DType::u8, 1}}, 1000)));
    put("in-order", 3, header_of(sampled(6, {.epoch_records = 100, .epochs = 3}, 40)));
    put("endless", 3, header_of(sampled(6, {.epoch_records = 100}, 0)));
    put("far", 3, header_of(sampled(2, {.epoch_records = 9}, (std::uint64_t{1} << 44) - 3)));
    const SamplerOptions ranks{.epoch_records = 100,
                               .epochs = 3,
                               .shuffle_seed = 9,
                               .rank = 1,
                               .world_size = 2,
                               .remainder = Remainder::pad,
                               .origin_epoch = 1,
                               .origin_position = 31};
    put("ranks", 3, header_of(sampled(6, ranks, 40)));
    put("ranks-hash", 1, header_of(sampled(6, ranks, 40)));
    ring::Header other = classic;
    other.version += 1;
    put("other-version", 0, other);
    other = classic;
    other.endian = __builtin_bswap32(other.endian);
    put("other-byte-order", 0, other);
    write(folder, "short", Seed{0, 'H', 'E', 'D', 'R'});
}

// ---- messages ----

int act(int client, int which) {
    return client + 4 * which;
}

void write_messages(const std::filesystem::path& folder) {
    enum { connect = 0, hello = 2, anything = 4, farewell = 5, answer = 6, leave = 7 };
    const auto put = [&](const char* name, const Seed& seed) { write(folder, name, seed); };
    const int finished = ring::Farewell::finished, never_came = ring::Farewell::never_came;
    put("attach",
        {0, act(0, connect), act(0, hello), 0, 0, act(0, answer), act(0, farewell), finished});
    put("attach-dead", {0, act(1, connect), act(1, hello), 0, 1, act(1, answer)});
    put("attach-no-pidfd", {0, act(1, connect), act(1, hello), 0, 2});
    put("attach-no-process", {0, act(1, connect), act(1, hello), 0, 3});
    put("attach-folder", {0, act(1, connect), act(1, hello), 0, 4});
    put("attach-two-pidfds", {0, act(1, connect), act(1, hello), 0, 5});
    put("never-came",
        {0, act(0, connect), act(0, hello), 0, 0, act(0, answer), act(0, farewell), never_came});
    put("observe", {0, act(2, connect), act(2, hello), 1, offsetof(ring::Hello, role), 2, 2});
    put("other-layout",
        {0, act(0, connect), act(0, hello), 1, offsetof(ring::Hello, layout_version), 9, 0});
    put("other-version",
        {0, act(0, connect), act(0, hello), 1, offsetof(ring::Hello, version), 9, 0});
    put("noise", {0, act(3, connect), act(3, anything), 2, 5, 0, 'n', 'o', 'i', 's', 'e'});
    put("nothing", {0, act(3, connect), act(3, anything), 6, 0, 0});
    put("break-off", {6, act(0, connect), act(0, hello), 0, 0, act(0, answer), act(0, leave)});
    put("four-at-once", {0,
                         act(0, connect),
                         act(1, connect),
                         act(2, connect),
                         act(3, connect),
                         act(0, hello),
                         0,
                         0,
                         act(1, hello),
                         0,
                         0,
                         act(2, hello),
                         0,
                         1,
                         act(3, hello),
                         0,
                         2,
                         act(1, answer),
                         act(1, farewell),
                         finished,
                         act(1, connect),
                         act(1, hello),
                         0,
                         0});
    // Of a trainer: which side, its choice, that of the memory, the patches of the welcome.
    put("welcome", {1, 0, 0, 0});
    put("welcome-observer", {1, 1, 0, 0});
    put("welcome-no-descriptors", {1, 2, 0, 0, 2});
    put("welcome-short", {1, 4, 0, 0, 8, 0});
    put("welcome-refused",
        {1, 0, 0, 2, offsetof(ring::Welcome, accepted), 0, offsetof(ring::Welcome, refusal), 'n'});
    put("welcome-other-header", {1, 0, 3, 1, offsetof(ring::Header, slots), 0, 7, 0});
    put("welcome-other-size", {1, 0, 4, 0, 16, 0, 0, 0});
    put("welcome-short-memory", {1, 0, 4 + 32, 0, 16, 0, 0, 0});
    put("welcome-unsealed", {1, 0, 8, 1, 0});
    put("welcome-read-only", {1, 0, 16, 0});
}

// ---- control ----

void write_controls(const std::filesystem::path& folder) {
    enum {
        noise,
        word,
        length = 3,
        control,
        reason,
        bits,
        counter,
        claim,
        publish = 10,
        settle,
        take,
        release = 14,
        look,
        reset
    };
    const auto put = [&](const char* name, Seed seed, std::initializer_list<int> rest) {
        // For a consumer, for loaders of each layout, and for two consumers that share; a stream is
        // the consumer's.
        for (const int mode : {0, 1, 2, 3, 4}) {
            Seed all{mode == 4 ? 0x80 | 4 << 3 : mode | 4 << 3 | (mode == 0 ? 4 : 0)};
            for (const char c : seed.text()) all.add({c});
            write(folder, name + std::string(1, static_cast<char>('0' + mode)), all.add(rest));
        }
    };
    const Seed two{claim, publish, 9, 2, claim, publish, 100, 3};
    put("healthy-", two, {look, take, 1, 0, release, claim, settle, 0, take, 0, 0, look});
    put("dropped-", {claim, claim, settle, 1, settle, 1, claim, publish, 1, 1}, {take, 0, 0, look});
    put("forged-ready-", {word, 0, 0, 2, 1, 1, word, 1, 1, 2, 77, 1}, {take, 1, 0, look});
    put("forged-hole-", {word, 0, 0, 3, 1, 1, reason, 0, 9, 200, 2, '\n', 'x'}, {take, 0, 0});
    put("forged-lap-", two, {word, 1, 100, 1, 9, 9, take, 1, 0, look});
    put("lengths-", two, {length, 0, 0, 0xff, 0xff, 0xff, 0xff, take, 1, 0});
    put("tail-", {control, 3, 0, 0, 0, 0, 0, 1, 0, 0, claim}, {take, 0, 0, look});
    put("tail-back-", {control, 4, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, claim}, {take, 0, 0, look});
    put("phase-", {control, 0, 3, 0, 0, 0, 0, 0, 0, 0}, {take, 0, 0, claim, look});
    put("returned-", two, {bits, 0xff, 0xff, 0xff, 0xff, 0,     0,       0, 0, control, 2, 9, 9, 9,
                           9,    0,    0,    0,    0,    claim, publish, 0, 0, take,    1, 0});
    put("counters-", two, {counter, 3, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, look});
    put("head-", two, {control, 10, 9, 0, 0, 0, 0, 0, 0, 0, take, 130, 0, take, 1, 0, look});
    put("floor-", two, {control, 12, 9, 0, 0, 0, 0, 0, 0, 0, claim, take, 1, 0, look});
    put("reset-", two, {claim, reset, publish, 1, 1, take,  129,  0, claim, publish,
                        1,     1,     take,    0, 0, reset, take, 0, 0,     look});
    put("noise-", two, {noise, 0, 20, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, take, 1, 0, look});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: headrace_fuzz_seeds FOLDER\n");
        return 2;
    }
    const std::filesystem::path folder = argv[1];
    write_headers(folder / "header");
    write_messages(folder / "messages");
    write_controls(folder / "control");
}
