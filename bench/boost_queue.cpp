// The peer of `headrace bench ring`: boost::interprocess::message_queue doing the same work. A
// message is what a record of the ring is: index, lengths and payload. Producer processes write the
// same pattern, the consumer reads and verifies every byte. Same gate, same clocks, same JSON.
//
//   boost_queue FLOATS INTS FILL SLOTS PRODUCERS RECORDS
//
// The queue copies a message in and out again; that is its interface, and part of what is measured.
#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "cli/pattern.hpp"
#include "peer.hpp"

namespace headrace::bench {
namespace {

using boost::interprocess::message_queue;

// What the ring keeps beside a record's payload.
struct Header {
    std::uint64_t index;
    std::uint32_t floats;
    std::uint32_t ints;
};

// A message, and views of what is in it: header, floats, ints, one after the other.
class Message {
  public:
    explicit Message(const cli::RecordShape& shape)
        : bytes_(sizeof(Header) + shape.capacity_bytes()) {}

    std::byte* data() { return bytes_.data(); }
    std::size_t capacity() const { return bytes_.size(); }
    std::size_t size() const {
        return sizeof(Header) + sizeof(float) * header_.floats +
               sizeof(std::int32_t) * header_.ints;
    }
    const Header& header() const { return header_; }
    void set_header(const Header& header) {
        header_ = header;
        std::memcpy(bytes_.data(), &header, sizeof header);
    }
    // False when `size` bytes are not a message.
    bool read_header(std::size_t size) {
        if (size < sizeof(Header)) return false;
        std::memcpy(&header_, bytes_.data(), sizeof header_);
        return this->size() == size;
    }
    std::span<float> floats() {
        return {reinterpret_cast<float*>(bytes_.data() + sizeof(Header)), header_.floats};
    }
    std::span<std::int32_t> ints() {
        std::byte* start = bytes_.data() + sizeof(Header) + sizeof(float) * header_.floats;
        return {reinterpret_cast<std::int32_t*>(start), header_.ints};
    }

  private:
    std::vector<std::byte> bytes_;
    Header header_{};
};

void produce(message_queue& queue, const PeerOptions& options, std::uint32_t producer) {
    const cli::RecordCheck expected(options.shape);
    Message message(options.shape);
    for (std::uint64_t index = producer; index < options.records; index += options.producers) {
        message.set_header({index, expected.floats_of(index), expected.ints_of(index)});
        cli::write_pattern(message.floats(), cli::pattern_base(index, cli::kFloats));
        cli::write_pattern(message.ints(), cli::pattern_base(index, cli::kInts));
        queue.send(message.data(), message.size(), 0);
    }
}

void consume(message_queue& queue, const PeerOptions& options, cli::RecordCheck& check) {
    Message message(options.shape);
    // Each producer's records arrive in its own order: what must come next from each of them.
    std::vector<std::uint64_t> next(options.producers);
    for (std::uint64_t record = 0; record < options.records; ++record) {
        message_queue::size_type size = 0;
        unsigned priority = 0;
        queue.receive(message.data(), message.capacity(), size, priority);
        if (!message.read_header(size)) {
            check.fail("a message of " + std::to_string(size) + " bytes is no record");
            return;
        }
        const std::uint64_t index = message.header().index;
        std::uint64_t& turn = next[index % options.producers];
        if (index / options.producers != turn) {
            check.fail("record " + std::to_string(index) + " came out of turn");
            return;
        }
        ++turn;
        if (!check.check(index, message.floats(), message.ints())) return;
    }
}

cli::BenchReport run(const PeerOptions& options) {
    // Unlinked as soon as it is there: whatever happens, nothing is left in /dev/shm.
    const std::string name = "headrace-bench-" + std::to_string(::getpid());
    message_queue queue(boost::interprocess::create_only, name.c_str(), options.slots,
                        sizeof(Header) + options.shape.capacity_bytes());
    message_queue::remove(name.c_str());
    cli::BenchReport report = measure(
        options, [&](std::uint32_t producer) { produce(queue, options, producer); },
        [&](cli::RecordCheck& check) { consume(queue, options, check); });
    report.benchmark = "boost_message_queue";
    report.version = "Boost " BOOST_LIB_VERSION;
    return report;
}

}  // namespace
}  // namespace headrace::bench

int main(int argc, char** argv) {
    return headrace::bench::peer_main(argc, argv, "boost_queue", headrace::bench::run);
}
