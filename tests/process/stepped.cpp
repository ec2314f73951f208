// The program that the tests step through, instruction by instruction: a producer or a trainer that
// says how far it is. It stops itself where stepping is to begin or may begin, and runs at full
// speed before.
//
//   headrace_test_stepped PART RING DIRECTORY MARKS
//     PART   publish | skip | drop: claims a record and does that with it
//            attach: attaches. "come and go": also detaches; exit code 3 as below. finish: claims a
//            record, then finishes and detaches with it create: makes a ring, and ends it; exit
//            code 3 when a file stays open train: makes a ring of 4 slots, waits until they are
//            full, takes a record, gives it back, and stays. take | "take two": attaches as a
//            consumer, takes one record, or two, and gives back; then takes all up to the end
//     MARKS  an open file of struct Marks
//
// It is linked so that no instruction is the dynamic linker's (tests/CMakeLists.txt).
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "headrace/headrace.hpp"
#include "process/stepped.hpp"
#include "ring/ring_core.hpp"

namespace {

using namespace headrace;

int produce(const std::string& part, const std::string& ring, const AttachOptions& options,
            Marks& marks) {
    auto producer = Producer::attach(ring, options);
    stop_at(marks, Marks::begun);
    auto record = producer.claim();
    stop_at(marks, Marks::claimed);
    if (record) {
        if (part == "publish") signed_record::publish(*record, signed_record::victim);
        if (part == "skip") record->skip("told to");
        if (part == "drop") {
            signed_record::write(*record, signed_record::victim);
            const ClaimedRecord given_back = std::move(*record);
        }
    }
    marks.place.store(Marks::done);
    return 0;
}

int attach(const std::string& ring, const AttachOptions& options, Marks& marks) {
    stop_at(marks, Marks::begun);
    auto producer = Producer::attach(ring, options);
    stop_at(marks, Marks::done);
    return 0;
}

int finish(const std::string& ring, const AttachOptions& options, Marks& marks) {
    auto producer = std::make_optional(Producer::attach(ring, options));
    auto record = producer->claim();
    if (!record) throw std::runtime_error("nothing to claim");
    signed_record::write(*record, signed_record::victim);
    stop_at(marks, Marks::claimed);
    producer->finish();
    { const ClaimedRecord revoked = std::move(*record); }
    producer.reset();
    stop_at(marks, Marks::done);
    return 0;
}

RingOptions ring_options(const std::string& name, const std::string& directory) {
    return {.name = name,
            .schema = signed_record::schema(),
            .slots = 4,
            .epoch_records = 1000,
            .directory = directory};
}

std::ptrdiff_t open_files() {
    namespace fs = std::filesystem;
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

// What one of the two did not bring about is thrown when all of it has been taken back.
int in_balance(const std::function<void()>& work, Marks& marks) {
    const std::ptrdiff_t before = open_files();
    std::exception_ptr error;
    stop_at(marks, Marks::begun);
    try {
        work();
    } catch (...) {
        error = std::current_exception();
    }
    stop_at(marks, Marks::done);
    if (open_files() != before) return 3;
    if (error) std::rethrow_exception(error);
    return 0;
}

int train(const std::string& name, const std::string& directory, Marks& marks) {
    Ring ring = Ring::create(ring_options(name, directory));
    Consumer consumer = ring.consumer();
    const ring::Protocol& protocol = ring.shared_core()->protocol();
    while (ring.stats().ready < 4 || protocol.control().producers_asleep.load() == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    stop_at(marks, Marks::begun);
    {
        auto record = consumer.get();
        stop_at(marks, Marks::claimed);
        if (!record || signed_record::writer_of(*record) != signed_record::survivor) return 1;
    }
    marks.place.store(Marks::done);
    std::this_thread::sleep_for(std::chrono::hours(1));
    return 0;
}

void note_given(const RecordLease& lease, Marks& marks) {
    for (std::size_t i = 0; i < lease.size(); ++i) {
        if (signed_record::writer_of(lease, i) != signed_record::survivor) {
            throw std::runtime_error("record " + std::to_string(lease.index(i)) + " is torn");
        }
        const std::uint64_t bit = std::uint64_t{1} << lease.index(i);
        if ((marks.given.fetch_or(bit) & bit) != 0) throw std::runtime_error("given twice");
    }
}

int take(std::size_t records, const std::string& ring, const AttachOptions& options, Marks& marks) {
    constexpr std::chrono::seconds kPatience{20};
    auto consumer =
        Consumer::attach(ring, {.first_timeout = kPatience, .stall_timeout = kPatience}, options);
    stop_at(marks, Marks::begun);
    auto lease = records == 1 ? consumer.get() : consumer.take(records);
    stop_at(marks, Marks::claimed);
    if (lease) note_given(*lease, marks);
    while (lease.outcome() != Outcome::end) {
        if (lease.outcome() == Outcome::timed_out) throw std::runtime_error("waits in vain");
        if (lease) lease->release();
        marks.place.store(Marks::done);
        lease = consumer.take(1);
        if (lease) note_given(*lease, marks);
    }
    return 0;
}

int run(char** argv, Marks& marks) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) throw std::runtime_error("no ptrace");
    const std::string part = argv[1], ring = argv[2];
    const AttachOptions options{.directory = argv[3], .identity = "victim"};
    if (part == "attach") return attach(ring, options, marks);
    if (part == "create") {
        const RingOptions ring_of_it = ring_options(ring, options.directory);
        return in_balance([&] { const Ring made = Ring::create(ring_of_it); }, marks);
    }
    if (part == "come and go") {
        return in_balance([&] { const auto made = Producer::attach(ring, options); }, marks);
    }
    if (part == "finish") return finish(ring, options, marks);
    if (part == "train") return train(ring, options.directory, marks);
    if (part.starts_with("take")) return take(part == "take" ? 1 : 2, ring, options, marks);
    return produce(part, ring, options, marks);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Marks& marks = map_marks(std::stoi(argv[4]));
    try {
        return run(argv, marks);
    } catch (const std::exception& error) {
        std::strncpy(marks.error, error.what(), sizeof(marks.error) - 1);
        return 1;
    }
}
