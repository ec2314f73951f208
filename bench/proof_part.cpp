#include "proof_part.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "headrace/error.hpp"
#include "ring/platform.hpp"

extern char** environ;

namespace headrace::bench {

namespace {

using ring::UniqueFd;

constexpr int kPatienceMs = 30'000;
constexpr int kInherited = 3;

[[noreturn]] void throw_system(const std::string& what) {
    throw SystemError(what + ": " + std::strerror(errno));
}

struct Pipe {
    UniqueFd read_end, write_end;
};

Pipe make_pipe() {
    int ends[2];
    // O_CLOEXEC: a child that held another child's end would keep its pipe open.
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_system("a pipe");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

bool read_byte(int from) {
    char byte = 0;
    ssize_t count = 0;
    do {
        count = ::read(from, &byte, 1);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

void write_byte(int to) {
    const char byte = '.';
    if (::write(to, &byte, 1) != 1) throw_system("telling how far it is");
}

// ---- the children's side ----

void say() {
    write_byte(STDOUT_FILENO);
}

[[noreturn]] void sleep_until_killed() {
    for (;;) ::pause();
}

void publish(ClaimedRecord& record) {
    const auto ints = record.field<std::int32_t>(1);
    ints[0] = static_cast<std::int32_t>(record.index() & 0x7fff'ffff);
    ints[1] = static_cast<std::int32_t>(record.attempt());
    record.publish(0, 2);
}

int hold(Producer producer) {
    const auto record = producer.claim();
    if (!record) return 1;
    say();
    sleep_until_killed();
}

int fill(Producer producer) {
    say();
    while (auto record = producer.claim()) publish(*record);
    return 0;
}

int survive(Producer producer) {
    say();
    while (read_byte(STDIN_FILENO)) {
        for (bool came_back = false; !came_back;) {
            auto record = producer.claim();
            if (!record) return 0;
            came_back = record->attempt() != 0;
            publish(*record);
        }
        say();
    }
    return 0;
}

int echo() {
    EchoWords& words = map_echo(kInherited);
    std::uint32_t heard = words.call.load();
    say();
    for (;;) {
        while (words.call.load() == heard) {
            ring::SystemPlatform::futex_wait(words.call, heard, std::chrono::seconds(1));
        }
        ++heard;
        words.answer.fetch_add(1);
        ring::SystemPlatform::futex_wake_all(words.answer);
    }
}

}  // namespace

Part::Part(std::vector<std::string> arguments, int inherited) {
    Pipe to = make_pipe(), from = make_pipe();
    std::vector<char*> words{const_cast<char*>("proof")};
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, to.read_end.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, from.write_end.get(), STDOUT_FILENO);
    if (inherited >= 0) ::posix_spawn_file_actions_adddup2(&files, inherited, kInherited);
    errno = ::posix_spawn(&pid_, "/proc/self/exe", &files, nullptr, words.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    if (errno != 0) throw_system("starting a part from /proc/self/exe");
    to_ = std::move(to.write_end);
    from_ = std::move(from.read_end);
}

Part::~Part() {
    kill();
    ::waitpid(pid_, nullptr, 0);
}

void Part::kill() noexcept {
    ::kill(pid_, SIGKILL);
}

void Part::hear() {
    pollfd entry{from_.get(), POLLIN, 0};
    if (::poll(&entry, 1, kPatienceMs) != 1) throw SystemError("a part says nothing");
    if (!read_byte(from_.get())) throw SystemError("a part has ended");
}

void Part::tell() {
    write_byte(to_.get());
}

RingOptions ring_of(const std::string& name, const std::string& directory, std::uint32_t slots) {
    return {.name = name,
            .schema = Schema::float_int(16, 2),
            .slots = slots,
            .epoch_records = std::uint64_t{1} << 40,
            .directory = directory};
}

bool is_as_written(const RecordLease& record, std::uint32_t attempt) {
    const auto ints = record.field<std::int32_t>(1);
    return ints.size() == 2 && ints[0] == static_cast<std::int32_t>(record.index() & 0x7fff'ffff) &&
           ints[1] == static_cast<std::int32_t>(attempt);
}

EchoWords& map_echo(int memory) {
    void* const place =
        ::mmap(nullptr, sizeof(EchoWords), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (place == MAP_FAILED) throw_system("mapping the words of an echo");
    return *static_cast<EchoWords*>(place);
}

std::optional<int> play(const std::vector<std::string>& arguments) {
    if (arguments.empty()) return {};
    const std::string& part = arguments[0];
    const bool is_producer = part == "holder" || part == "filler" || part == "survivor";
    const bool is_other = part == "bystander" || part == "echo";
    if ((!is_producer || arguments.size() != 3) && (!is_other || arguments.size() != 1)) return {};
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        if (part == "echo") return echo();
        if (part == "bystander") {
            say();
            sleep_until_killed();
        }
        Producer producer = Producer::attach(arguments[1], {.directory = arguments[2]});
        if (part == "holder") return hold(std::move(producer));
        if (part == "filler") return fill(std::move(producer));
        return survive(std::move(producer));
    } catch (const std::exception& error) {
        std::cerr << "proof " << part << ": " << error.what() << '\n';
        return 1;
    }
}

}  // namespace headrace::bench
