// A program of many parts for the process tests: a producer or a consumer that dies, stops, waits
// or changes into another program where it is told to, or a trainer that can be killed.
//
//   headrace_test_actor produce RING DIRECTORY [--at INDEX ACT]... [--sleep-us N] [--most N]
//     ACT: kill | stop | exec | exit | fork | fork-pid-1 | wait | throw | skip: done while holding
//     that index, half written. fork-pid-1: the child is pid 1 of a pid namespace. wait: until a
//     file DIRECTORY/go is there
//   headrace_test_actor take RING DIRECTORY [--at INDEX ACT]... [--sleep-us N] [--most N]
//                            [--lease N] [--name NAME] [--epochs N] [--stay]
//     A consumer that shares the ring. Takes leases of N, N of them at most or up to the end of so
//     many epochs, checks every byte, and writes down what it was given before it does anything
//     else: lines of DIRECTORY/given, "NAME INDEX DEATHS", "NAME hole INDEX KIND: REASON", or
//     "NAME" and an outcome. ACT as above, but for skip, and once for an index. With
//     --stay it then does nothing until a file DIRECTORY/leave is there
//   headrace_test_actor train RING DIRECTORY [shared]
//     Holds the first record; or takes none, and lets others share an endless ring
//   headrace_test_actor consume RING DIRECTORY RECORDS PRODUCERS [KILL_AFTER_MS]
//     Takes and checks all records, when so many producers are attached, and ends after them.
//     Writes the ring's messages to DIRECTORY/messages. KILL_AFTER_MS: StallPolicy::Action::kill
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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
    std::string directory;
    std::size_t lease = 1;
    std::string name = "actor";
    long epochs = -1;
    bool stays = false;
};

Part read_part(int argc, char** argv) {
    Part part;
    part.directory = argv[3];
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
        } else if (option == "--lease" && i + 1 < argc) {
            part.lease = std::stoul(argv[++i]);
        } else if (option == "--name" && i + 1 < argc) {
            part.name = argv[++i];
        } else if (option == "--epochs" && i + 1 < argc) {
            part.epochs = std::stol(argv[++i]);
        } else if (option == "--stay") {
            part.stays = true;
        } else {
            throw std::runtime_error("unknown option " + option);
        }
    }
    return part;
}

// A fork whose child is pid 1 of a pid namespace of its own.
pid_t fork_as_pid_1() {
    const auto clone_with = [](unsigned long flags) {
        return static_cast<pid_t>(
            syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    };
    const pid_t child = clone_with(CLONE_NEWPID);
    if (child >= 0) return child;
    // Who is not root may do so in a user namespace.
    const pid_t unprivileged = clone_with(CLONE_NEWPID | CLONE_NEWUSER);
    if (unprivileged < 0) throw std::runtime_error("no pid namespace for the child");
    return unprivileged;
}

void await_file(const std::string& path) {
    while (!std::filesystem::exists(path)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

void act(const std::string& what, const std::string& directory) {
    if (what == "kill") raise(SIGKILL);
    if (what == "stop") raise(SIGSTOP);
    if (what == "exec") execl("/bin/sleep", "sleep", "1000", nullptr);
    if (what == "exit") std::exit(7);
    if (what == "throw") throw std::runtime_error("told to");
    if (what == "wait") await_file(directory + "/go");
    if (what.starts_with("fork")) {
        const pid_t child = what == "fork" ? fork() : fork_as_pid_1();
        // The child takes everything down that it inherited, as a program that returns from main.
        if (child == 0) throw std::runtime_error("the child goes");
        int status = 0;
        waitpid(child, &status, 0);
        if (!WIFEXITED(status)) throw std::runtime_error("the child did not get down in order");
    }
}

// True when the record is done with.
bool act(const std::string& what, const std::string& directory, ClaimedRecord& record) {
    act(what, directory);
    if (what != "skip") return false;
    record.skip("told to");
    return true;
}

int produce(const std::string& ring, const Part& part) {
    auto producer = Producer::attach(ring, {.directory = part.directory, .identity = "actor"});
    for (long count = 0; count != part.most; ++count) {
        auto record = producer.claim();
        if (!record) return 0;
        auto floats = record->field<float>(0);
        const std::size_t length = pattern::length_of(record->item(), floats.size());
        for (std::size_t i = 0; i < length / 2; ++i) floats[i] = -1;  // half written
        // An index that came back is not acted upon again.
        const auto found = part.acts.find(record->index());
        if (found != part.acts.end() && record->attempt() == 0 &&
            act(found->second, part.directory, *record)) {
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

// One line, whole, at the end of a file that several processes write.
void append(const std::string& path, const std::string& line) {
    const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const std::string text = line + "\n";
    const bool done = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(file);
    if (!done) throw std::runtime_error("cannot write to " + path);
}

void check(const RecordLease& lease, std::size_t record) {
    const auto ints = lease.field<std::int32_t>(1, record);
    if (!pattern::matches(lease.item(record), lease.field<float>(0, record), 64) ||
        ints.size() != 1 || ints[0] != static_cast<std::int32_t>(lease.item(record))) {
        throw std::runtime_error("record " + std::to_string(lease.index(record)) +
                                 " is not what it was");
    }
}

int take(const std::string& ring, Part part) {
    constexpr std::chrono::seconds kPatience{25};  // less than that of the tests
    auto consumer = Consumer::attach(ring, {.first_timeout = kPatience, .stall_timeout = kPatience},
                                     {.directory = part.directory, .identity = part.name});
    const auto report = [&part](const std::string& what) {
        append(part.directory + "/given", part.name + " " + what);
    };
    for (long count = 0, epochs = 0; count != part.most && epochs != part.epochs;) {
        const auto lease = consumer.take(part.lease);
        if (!lease) {
            report(std::string(name_of(lease.outcome())));
            if (lease.outcome() == Outcome::end) return 0;
            if (lease.outcome() == Outcome::timed_out) throw std::runtime_error("waits in vain");
            ++epochs;
            continue;
        }
        ++count;
        for (std::size_t i = 0; i < lease->size(); ++i) {
            report(std::to_string(lease->index(i)) + " " + std::to_string(lease->deaths(i)));
            check(*lease, i);
        }
        for (const Hole& hole : lease->holes()) {
            report("hole " + std::to_string(hole.index) + " " + std::string(name_of(hole.kind)) +
                   ": " + hole.reason);
        }
        for (std::size_t i = 0; i < lease->size(); ++i) {
            const auto found = part.acts.extract(lease->index(i));
            if (found) act(found.mapped(), part.directory);
        }
        if (part.sleep_us > 0)
            std::this_thread::sleep_for(std::chrono::microseconds(part.sleep_us));
    }
    if (part.stays) await_file(part.directory + "/leave");
    return 0;
}

int train_shared(const std::string& ring_name, const std::string& directory) {
    const Ring ring = Ring::create({.name = ring_name,
                                    .schema = Schema::float_int(64, 1),
                                    .slots = 4,
                                    .epoch_records = 1000,
                                    .directory = directory,
                                    .shared_consumers = true});
    std::this_thread::sleep_for(std::chrono::hours(1));
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

int consume(int argc, char** argv) {
    if (argc < 6) throw std::runtime_error("wanted: consume RING DIRECTORY RECORDS PRODUCERS");
    constexpr std::uint32_t kCapacity = 64;
    const std::uint64_t records = std::stoull(argv[4]);
    const std::size_t producers = std::stoul(argv[5]);
    const std::string directory = argv[3];
    std::ofstream messages(directory + "/messages");
    RingOptions options{.name = argv[2],
                        .schema = Schema::float_int(kCapacity, 1),
                        .slots = 16,
                        .epoch_records = records,
                        .epochs = 1,
                        .shuffle_seed = 5,
                        .directory = directory,
                        .on_message = [&messages](const Message& message) {
                            messages << message.text << std::endl;
                        }};
    if (argc > 6) {
        options.stall = {.report_after = std::chrono::milliseconds(std::stol(argv[6])),
                         .action = StallPolicy::Action::kill};
    }
    Ring ring = Ring::create(options);
    Consumer consumer = ring.consumer();
    while (ring.stats().producers.size() < producers) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (std::uint64_t index = 0; index < records; ++index) {
        auto record = consumer.get();
        if (!record || record->index() != index ||
            record->item() != ring.sampler()->item_of(index) ||
            !pattern::matches(record->item(), record->field<float>(0), kCapacity) ||
            record->field<std::int32_t>(1)[0] != static_cast<std::int32_t>(record->item())) {
            throw std::runtime_error("record " + std::to_string(index) + " is not what it was");
        }
    }
    const Outcome last = consumer.get().outcome();
    // So that it has heard how each of them ended.
    while (std::ranges::any_of(ring.stats().producers, [](const ProducerStats& producer) {
        return producer.state == ProducerState::attached;
    })) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return last == Outcome::end || last == Outcome::end_of_epoch ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 4) throw std::runtime_error("wanted: produce|take|train|consume RING DIRECTORY");
    const std::string part = argv[1];
    if (part == "take") return take(argv[2], read_part(argc, argv));
    if (part == "train" && argc > 4) return train_shared(argv[2], argv[3]);
    if (part == "train") return train(argv[2], argv[3]);
    if (part == "consume") return consume(argc, argv);
    return produce(argv[2], read_part(argc, argv));
} catch (const RingAborted& error) {
    std::fprintf(stderr, "actor: %s\n", error.what());
    return 3;
} catch (const std::exception& error) {
    std::fprintf(stderr, "actor: %s\n", error.what());
    return 1;
}
