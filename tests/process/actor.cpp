// A program of many parts for the process tests: a producer that dies, stops, waits or changes into
// another program where it is told to, or a trainer that can be killed.
//
//   headrace_test_actor produce RING DIRECTORY [--at INDEX ACT]... [--sleep-us N] [--most N]
//     ACT: kill | stop | exec | fork | throw | skip: done while holding that index, half written
//   headrace_test_actor train RING DIRECTORY
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include "headrace/headrace.hpp"
#include "process/pattern.hpp"

namespace {

using namespace headrace;

struct Part {
    std::map<std::uint64_t, std::string> acts;
    long sleep_us = 0;
    long most = -1;
};

Part read_part(int argc, char** argv) {
    Part part;
    for (int i = 4; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--at" && i + 2 < argc) {
            const std::uint64_t index = std::stoull(argv[i + 1]);
            part.acts[index] = argv[i + 2];
            i += 2;
        } else if (option == "--sleep-us" && i + 1 < argc) {
            part.sleep_us = std::stol(argv[++i]);
        } else if (option == "--most" && i + 1 < argc) {
            part.most = std::stol(argv[++i]);
        } else {
            throw std::runtime_error("unknown option " + option);
        }
    }
    return part;
}

// True when the record is done with.
bool act(const std::string& what, ClaimedRecord& record) {
    if (what == "kill") raise(SIGKILL);
    if (what == "stop") raise(SIGSTOP);
    if (what == "exec") execl("/bin/sleep", "sleep", "1000", nullptr);
    if (what == "throw") throw std::runtime_error("told to");
    if (what == "fork") {
        const pid_t child = fork();
        // The child takes everything down that it inherited, as a program that returns from main.
        if (child == 0) throw std::runtime_error("the child goes");
        waitpid(child, nullptr, 0);
    }
    if (what != "skip") return false;
    record.skip("told to");
    return true;
}

int produce(const std::string& ring, const std::string& directory, const Part& part) {
    auto producer = Producer::attach(ring, {.directory = directory, .identity = "actor"});
    for (long count = 0; count != part.most; ++count) {
        auto record = producer.claim();
        if (!record) return 0;
        auto floats = record->field<float>(0);
        const std::size_t length = pattern::length_of(record->item(), floats.size());
        for (std::size_t i = 0; i < length / 2; ++i) floats[i] = -1;  // half written
        // An index that came back is not acted upon again.
        const auto found = part.acts.find(record->index());
        if (found != part.acts.end() && record->attempt() == 0 && act(found->second, *record)) {
            continue;
        }
        if (part.sleep_us > 0)
            std::this_thread::sleep_for(std::chrono::microseconds(part.sleep_us));
        pattern::write(record->item(), floats.first(length));
        record->field<std::int32_t>(1)[0] = static_cast<std::int32_t>(record->item());
        record->publish(length, 1);
    }
    return 0;
}

int train(const std::string& ring_name, const std::string& directory) {
    Ring ring = Ring::create({.name = ring_name,
                              .schema = Schema::float_int(64, 1),
                              .slots = 4,
                              .epoch_records = 1000,
                              .directory = directory});
    Consumer consumer = ring.consumer();
    auto first = consumer.get();  // then holds it, so that producers fill the ring and wait
    std::this_thread::sleep_for(std::chrono::hours(1));
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 4) throw std::runtime_error("wanted: produce|train RING DIRECTORY");
    const std::string part = argv[1];
    if (part == "train") return train(argv[2], argv[3]);
    return produce(argv[2], argv[3], read_part(argc, argv));
} catch (const RingAborted& error) {
    std::fprintf(stderr, "actor: %s\n", error.what());
    return 3;
} catch (const std::exception& error) {
    std::fprintf(stderr, "actor: %s\n", error.what());
    return 1;
}
