// Fuzzes the whole memory behind the header, as the trainer and the producers see it: the input
// scribbles over it between, and while, a producer claims and publishes and a consumer or a loader
// takes. Whatever it does, they carry on or throw an Error, within the bounds of the memory.
//
//   byte 0      bits 0 and 1: consumer, or loader with layout packed, trimmed or padded;
//               bit 2: a stream ring; bits 3 to 6: slots, less 4; bit 7: not one consumer but two
//               that share the ring
//   then        acts: a byte that says which, and what it needs; see World::act()
//
// No wait takes longer than a millisecond, and there are few of them. Where the place is free,
// pages that nobody may touch lie before and behind the ring's memory.
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "fuzz/input.hpp"
#include "gtest/temporary_folder.hpp"
#include "headrace/error.hpp"
#include "headrace/headrace.hpp"
#include "ring/ring_core.hpp"

namespace headrace::fuzz {

namespace {

constexpr std::size_t kMostActs = 64;
constexpr int kMostWaits = 2;

// A page that nobody may touch, where nothing lies yet.
class GuardPage {
  public:
    explicit GuardPage(std::byte* at)
        : at_(mmap(at, ring::kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                   -1, 0)) {}
    GuardPage(const GuardPage&) = delete;
    GuardPage& operator=(const GuardPage&) = delete;
    ~GuardPage() {
        if (at_ != MAP_FAILED) munmap(at_, ring::kPage);
    }

  private:
    void* at_;
};

bool is_shared(std::uint8_t choice) {
    return (choice & 0x83) == 0x80;
}

RingOptions options_of(std::uint8_t choice) {
    static const TemporaryFolder& folder = *new TemporaryFolder;
    const bool is_stream = (choice & 4) != 0;
    return {.name = "fuzz",
            .schema = {{"a", DType::u8, 100}, {"b", DType::f64, 3}},
            .slots = 4u + (choice >> 3 & 15),
            .epoch_records = is_stream ? 0u : 37u,
            .directory = folder.path().string(),
            .shared_consumers = is_shared(choice),
            .on_message = [](const Message& message) {
                require(message.text.find('\n') == std::string::npos, "a message is one line");
            }};
}

LoaderOptions loader_options(std::uint8_t choice) {
    constexpr std::array layouts{Layout::packed, Layout::trimmed, Layout::padded};
    return {.batch = 2,
            .layout = layouts[(choice & 3) - 1u],
            .device = Device::host(),
            .flush_after = std::chrono::milliseconds(1)};
}

class World {
  public:
    explicit World(std::uint8_t choice)
        : ring_(Ring::create(options_of(choice))),
          memory_(ring_.shared_core()->memory()),
          guards_{std::make_unique<GuardPage>(memory_.data() - ring::kPage),
                  std::make_unique<GuardPage>(memory_.data() + memory_.size())},
          geometry_(ring::Geometry::of(ring_.schema(), ring_.slots())),
          protocol_(ring_.shared_core()->protocol()),
          producer_(ring_.producer("fuzz")) {
        if ((choice & 3) == 0) {
            consumers_.push_back(ring_.consumer());
            if (is_shared(choice)) consumers_.push_back(ring_.consumer());
        } else {
            loader_.emplace(ring_, loader_options(choice));
        }
    }

    void act(Input& input) {
        switch (input.byte() % 17) {
            case 0: return put_noise(input);
            case 1:
            case 2: return put_word(input);
            case 3: return put_length(input);
            case 4: return put_control(input);
            case 5: return put_reason(input);
            case 6: return put_bits(input);
            case 7: return put_counter(input);
            case 8:
            case 9: return claim();
            case 10: return publish(input);
            case 11: return settle(input);
            case 12:
            case 13: return take(input);
            case 14: return release();
            case 16: return ring_.reset();
            default: return look();
        }
    }

  private:
    template <class T>
    T* at(std::uint64_t offset) {
        return reinterpret_cast<T*>(memory_.data() + offset);
    }
    ring::SlotDescriptor& descriptor(Input& input) {
        return at<ring::SlotDescriptor>(geometry_.descriptors)[input.byte() % ring_.slots()];
    }
    std::uint64_t tail() const { return protocol_.control().tail.load(); }

    // ---- scribbling ----

    void put_noise(Input& input) {
        std::size_t offset = input.number<std::uint32_t>() % memory_.size();
        for (const std::uint8_t value : input.take(input.byte())) {
            std::atomic_ref(*at<std::uint8_t>(offset)).store(value, std::memory_order_relaxed);
            offset = (offset + 1) % memory_.size();
        }
    }
    void put_word(Input& input) {
        ring::SlotDescriptor& place = descriptor(input);
        const auto from_tail = static_cast<std::uint64_t>(input.number<std::int8_t>());
        const std::uint8_t state = input.byte(), owner = input.byte();
        place.word.store(ring::pack(tail() + from_tail, static_cast<ring::SlotState>(state % 8),
                                    owner, input.byte(), state / 8));
    }
    void put_length(Input& input) {
        ring::SlotDescriptor& place = descriptor(input);
        place.lengths[input.byte() % kMaxFields].store(input.number<std::uint32_t>());
    }
    void put_control(Input& input) {
        ring::Control& control = protocol_.control();
        const std::uint8_t which = input.byte();
        const auto value = input.number<std::uint64_t>();
        const auto half = static_cast<std::uint32_t>(value);
        switch (which % 14) {
            case 0: control.phase.store(half); break;
            case 1: control.incomplete.store(half); break;
            case 2: control.returns.store(value); break;
            case 3: control.tail.store(value); break;
            case 4: control.tail.fetch_add(value); break;
            case 5: control.producers_asleep.store(half); break;
            case 6: control.space_wanted.store(value); break;
            case 7: control.released.store(value); break;
            case 8: control.wanted.store(value); break;
            case 9: control.ready_bell.store(half); break;
            case 10: control.head.store(value); break;
            case 11: control.redeliveries.store(value); break;
            case 12: control.floor.store(value); break;
            default: control.consumers_asleep.store(half);
        }
    }
    void put_reason(Input& input) {
        auto& reason = at<ring::SlotReason>(geometry_.reasons)[input.byte() % ring_.slots()];
        reason.kind.store(input.byte());
        reason.length.store(input.byte());
        std::size_t place = 0;
        for (const std::uint8_t c : input.take(input.byte() % kMaxReasonBytes)) {
            reason.text[place++].store(static_cast<char>(c));
        }
    }
    void put_bits(Input& input) {
        at<std::atomic<std::uint64_t>>(geometry_.returned)->store(input.number<std::uint64_t>());
    }
    void put_counter(Input& input) {
        const std::uint64_t bytes = geometry_.returned - geometry_.trainer;
        const std::uint64_t place = input.number<std::uint16_t>() % (bytes / 8);
        at<std::atomic<std::uint64_t>>(geometry_.trainer)[place].store(
            input.number<std::uint64_t>());
    }

    // ---- what a good producer does ----

    void claim() {
        auto record = producer_.try_claim();
        if (!record || claims_.size() == 4) return;
        if (ring_.sampler()) {
            require(record->item() < ring_.sampler()->options().epoch_records, "an item is one");
        }
        for (std::size_t field = 0; field < 2; ++field) {
            std::ranges::fill(record->field_bytes(field), std::byte{0x5a});
        }
        claims_.push_back(std::move(*record));
    }
    void publish(Input& input) {
        if (claims_.empty()) return;
        ClaimedRecord record = std::move(claims_.back());
        claims_.pop_back();
        const std::size_t first = input.byte() % 101, second = input.byte() % 4;
        record.publish(first, second);
    }
    void settle(Input& input) {
        if (claims_.empty()) return;
        ClaimedRecord record = std::move(claims_.back());
        claims_.pop_back();
        if (input.byte() % 2 == 0) record.skip("told to");  // else it is dropped
    }

    // ---- what the trainer does ----

    std::chrono::microseconds patience(Input& input) {
        if (input.byte() % 4 != 0 || waits_ == kMostWaits) return std::chrono::microseconds(0);
        ++waits_;
        return std::chrono::milliseconds(1);
    }
    void take(Input& input) {
        if (!loader_) {
            const std::uint8_t how = input.byte();
            Consumer& consumer = consumers_[how / 128u % consumers_.size()];
            auto lease = consumer.take_for(1 + how % 3, patience(input));
            if (!lease) return;
            for (std::size_t i = 0; i < lease->size(); ++i) {
                require(lease->field<std::uint8_t>(0, i).size() <= 100, "a length is bounded");
                require(lease->field<double>(1, i).size() <= 3, "a length is bounded");
                for (const std::uint8_t byte : lease->field<std::uint8_t>(0, i)) seen_ += byte;
            }
            leases_.push_back(std::move(*lease));
            return;
        }
        auto batch = loader_->next_for(patience(input));
        if (!batch) return;
        require(batch->size() <= 2, "a batch has no more records than it may");
        require(batch->total(0) <= 200 && batch->total(1) <= 6, "a total is bounded");
        batches_.push_back(std::move(*batch));
    }
    void release() {
        if (!leases_.empty()) leases_.erase(leases_.begin());
        if (!batches_.empty()) batches_.erase(batches_.begin());
    }
    void look() {
        const Stats stats = ring_.stats();
        require(stats.writing + stats.ready + stats.leased <= ring_.slots(), "slots are counted");
        require(!stats.verdict().empty(), "there is a verdict");
    }

    Ring ring_;
    std::span<std::byte> memory_;
    std::array<std::unique_ptr<GuardPage>, 2> guards_;
    ring::Geometry geometry_;
    ring::Protocol& protocol_;
    Producer producer_;
    std::vector<ClaimedRecord> claims_;
    std::vector<Consumer> consumers_;
    std::vector<RecordLease> leases_;
    std::optional<Loader> loader_;
    std::vector<Batch> batches_;
    int waits_ = 0;
    std::uint64_t seen_ = 0;
};

void run(Input input) {
    World world(input.byte());
    for (std::size_t i = 0; i < kMostActs && !input.is_empty(); ++i) {
        try {
            world.act(input);
        } catch (const Error& error) {
            require(error.what()[0] != '\0', "an error says what");
        }
    }
}

}  // namespace

}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    headrace::fuzz::run({data, bytes});
    return 0;
}
