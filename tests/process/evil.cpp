// A producer that has gone bad, for the process tests: it attaches by the library's own means, and
// scribbles over all that it was given.
//
//   headrace_test_evil RING DIRECTORY SEED
//     Waits until the file DIRECTORY/go is there, then writes until it is killed. What it writes,
//     and where, follows from the seed; when, does not.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "ring/participant.hpp"

namespace {

using namespace headrace;

class Scribbler {
  public:
    Scribbler(std::span<std::byte> memory, const ring::Description& description, std::uint64_t seed)
        : memory_(memory),
          slots_(description.slots),
          geometry_(ring::Geometry::of(description.schema, description.slots)),
          protocol_(memory, description),
          random_(seed) {
        const ring::Geometry& g = geometry_;
        const std::uint64_t fields = g.field_offset.front();
        parts_ = {{0, ring::kPage},
                  {g.control, sizeof(ring::Control)},
                  {g.trainer, sizeof(ring::TrainerCounters)},
                  {g.producers, g.consumers - g.producers},
                  {g.consumers, g.returned - g.consumers},
                  {g.returned, g.descriptors - g.returned},
                  {g.descriptors, g.reasons - g.descriptors},
                  {g.reasons, fields - g.reasons},
                  {fields, memory.size() - fields}};
    }

    // Somewhere in the memory, or in one of its parts, each of which is as likely; whole words and
    // lengths that could be right more often than chance would have it.
    void scribble() {
        switch (below(6)) {
            case 0: return noise(below(memory_.size()), 1 + below(64));
            case 1: return noise_in(parts_[below(parts_.size())]);
            case 2: return put_word();
            case 3: return put_lengths();
            case 4: return put_control();
            default: return below(50) == 0 ? flood() : put_word();
        }
    }
    void pause() {
        if (below(4) != 0) return;
        std::this_thread::sleep_for(std::chrono::microseconds(below(2000)));
    }

  private:
    struct Part {
        std::uint64_t at, bytes;
    };
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    void noise(std::uint64_t at, std::uint64_t bytes) {
        const std::uint64_t end = std::min<std::uint64_t>(at + bytes, memory_.size());
        for (; at < end; ++at) put(at, static_cast<std::byte>(random_()));
    }
    void put(std::uint64_t at, std::byte value) {
        std::atomic_ref(reinterpret_cast<unsigned char&>(memory_[at]))
            .store(std::to_integer<unsigned char>(value), std::memory_order_relaxed);
    }
    void noise_in(const Part& part) { noise(part.at + below(part.bytes), 1 + below(16)); }

    ring::SlotDescriptor& descriptor() {
        auto* const first =
            reinterpret_cast<ring::SlotDescriptor*>(memory_.data() + geometry_.descriptors);
        return first[below(slots_)];
    }
    // An index within a few laps of the tail, in any state, of anybody.
    void put_word() {
        const std::uint64_t index =
            protocol_.control().tail.load() + below(5 * slots_) - 3 * slots_;
        descriptor().word.store(
            ring::pack(index, static_cast<ring::SlotState>(below(8)),
                       static_cast<std::uint32_t>(below(4) == 0 ? below(256) : below(4)),
                       static_cast<std::uint32_t>(below(3)), static_cast<std::uint32_t>(below(4))));
    }
    void put_lengths() {
        for (auto& length : descriptor().lengths) {
            length.store(static_cast<std::uint32_t>(random_() >> below(64)));
        }
    }
    void put_control() {
        ring::Control& control = protocol_.control();
        switch (below(12)) {
            case 0: control.tail.fetch_add(below(2 * slots_) - slots_); break;
            case 1: control.phase.store(static_cast<std::uint32_t>(below(6))); break;
            case 2: control.wanted.store(random_() >> below(64)); break;
            case 3: control.ready_bell.store(static_cast<std::uint32_t>(random_())); break;
            case 4: control.space_bell.store(static_cast<std::uint32_t>(random_())); break;
            case 5: control.space_wanted.store(random_() >> below(64)); break;
            case 6: control.returns.fetch_add(1); break;
            case 7: control.head.fetch_add(below(2 * slots_) - slots_); break;
            case 8: control.redeliveries.fetch_add(1); break;
            case 9: control.floor.fetch_add(below(2 * slots_)); break;
            case 10: control.consumers_asleep.store(static_cast<std::uint32_t>(below(2))); break;
            default: control.incomplete.store(1); break;
        }
    }
    // All of a part that holds no records, with one value.
    void flood() {
        const Part& part = parts_[below(parts_.size() - 1)];
        const auto value = static_cast<std::byte>(below(2) == 0 ? 0xff : random_());
        for (std::uint64_t at = part.at; at < part.at + part.bytes; ++at) put(at, value);
    }

    std::span<std::byte> memory_;
    std::uint64_t slots_;
    ring::Geometry geometry_;
    ring::Protocol protocol_;
    std::mt19937_64 random_;
    std::vector<Part> parts_;
};

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4) return 2;
    const std::string directory = argv[2];
    const detail::Attachment attachment =
        detail::attach(argv[1], {.directory = directory, .identity = "evil"}, ring::Role::producer);
    Scribbler scribbler(attachment.mapping.bytes(), attachment.description,
                        std::strtoull(argv[3], nullptr, 10));
    while (!std::filesystem::exists(directory + "/go")) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (;;) {
        scribbler.scribble();
        scribbler.pause();
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "evil: %s\n", error.what());
    return 1;
}
