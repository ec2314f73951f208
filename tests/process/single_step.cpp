#include "process/single_step.hpp"

#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

extern char** environ;

namespace headrace {

namespace {

constexpr std::chrono::seconds kPatience{30};

// What PTRACE_O_TRACESYSGOOD adds to the signal of a stop at a system call.
constexpr int kSystemCallStop = SIGTRAP | 0x80;

constexpr bool is_sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#    else
    return false;
#    endif
#else
    return false;
#endif
}

ring::UniqueFd make_marks() {
    ring::UniqueFd memory(memfd_create("marks", 0));  // inherited by the child
    if (!memory || ftruncate(memory.get(), sizeof(Marks)) != 0) {
        throw std::runtime_error("no memory for the marks");
    }
    return memory;
}

std::string describe(int status) {
    if (WIFEXITED(status)) return "ended with " + std::to_string(WEXITSTATUS(status));
    if (WIFSIGNALED(status)) return std::string("died of ") + strsignal(WTERMSIG(status));
    return std::string("was sent ") + strsignal(WSTOPSIG(status));
}

// One step of a child that does nothing. The error, or 0.
int try_a_step() {
    const pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(errno);
        stop_this_thread();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    int error = 0;
    if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) {
        error = errno;
    } else {
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) error = ENOSYS;
    }
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) continue;
    return error;
}

}  // namespace

std::string obstacle_to_stepping() {
    if (is_sanitized()) {
        return "a sanitizer makes a hundred instructions of one, and tells nothing of a process "
               "that is killed";
    }
    const int error = try_a_step();
    if (error == 0) return {};
    return std::string("ptrace does not step a child here: ") + std::strerror(error);
}

OneCore::OneCore() {
    CPU_ZERO(&before_);
    sched_getaffinity(0, sizeof(before_), &before_);
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &here);
    sched_setaffinity(0, sizeof(here), &here);
}

OneCore::~OneCore() {
    sched_setaffinity(0, sizeof(before_), &before_);
}

SteppedChild::SteppedChild(std::vector<std::string> arguments)
    : memory_(make_marks()), marks_(map_marks(memory_.get())) {
    arguments.insert(arguments.begin(), HEADRACE_TEST_STEPPED);
    arguments.push_back(std::to_string(memory_.get()));
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    if (posix_spawn(&pid_, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) {
        throw std::runtime_error("cannot start " + arguments[0]);
    }
    watch_ = std::thread([this] {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, kPatience, [this] { return pid_ < 0; })) return;
        killed_by_watch_ = true;
        ::kill(pid_, SIGKILL);
    });
}

SteppedChild::~SteppedChild() {
    if (pid_ >= 0) kill();
    changed_.notify_all();
    watch_.join();
    munmap(&marks_, sizeof(Marks));
}

// The status of waitpid(). When it tells of the child's end the child is gone.
int SteppedChild::wait_for_change(int options) {
    int status = 0;
    // Looked at without reaping first: the watch must not kill another one that got the same pid.
    siginfo_t info{};
    const int what = WEXITED | WSTOPPED | WNOWAIT;
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, what) != 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    const pid_t changed = waitpid(pid_, &status, options);
    if (changed != pid_) throw std::runtime_error("waitpid: " + std::string(strerror(errno)));
    if (WIFSTOPPED(status)) return status;
    pid_ = -1;
    changed_.notify_all();
    return status;
}

int SteppedChild::go_on(int request) {
    // Glibc's enumeration has another type for each language; a number fits all.
    if (ptrace(static_cast<__ptrace_request>(request), pid_, nullptr, nullptr) != 0) {
        throw std::runtime_error("ptrace: " + std::string(std::strerror(errno)));
    }
    return wait_for_change(0);
}

void SteppedChild::run_to_its_stop() {
    const int status = is_traced_ ? go_on(PTRACE_CONT) : wait_for_change(0);
    is_traced_ = true;
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) {
        throw std::runtime_error("the child " + describe(status) + ", wanted its stop" +
                                 (killed_by_watch_ ? " within 30 s" : ""));
    }
    ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
}

void SteppedChild::step() {
    const int status = go_on(PTRACE_SINGLESTEP);
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) return;
    throw std::runtime_error("the child " + describe(status) + ", wanted one step" +
                             (killed_by_watch_ ? " within 30 s" : ""));
}

bool SteppedChild::is_at_system_call() const {
#if defined(__x86_64__)
    constexpr std::array<unsigned char, 2> kInstruction{0x0f, 0x05};  // syscall
#elif defined(__aarch64__)
    constexpr std::array<unsigned char, 4> kInstruction{0x01, 0x00, 0x00, 0xd4};  // svc #0
#else
#    error "what does a system call look like here?"
#endif
    __ptrace_syscall_info info{};
    ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof(info), &info);
    std::array<unsigned char, kInstruction.size()> next{};
    const iovec here{next.data(), next.size()};
    const iovec there{reinterpret_cast<void*>(info.instruction_pointer), next.size()};
    if (process_vm_readv(pid_, &here, 1, &there, 1, 0) != static_cast<ssize_t>(next.size())) {
        throw std::runtime_error("reading an instruction: " + std::string(std::strerror(errno)));
    }
    return next == kInstruction;
}

bool SteppedChild::run_to_system_call() {
    const int status = go_on(PTRACE_SYSCALL);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != kSystemCallStop) {
        throw std::runtime_error("the child " + describe(status) + ", wanted a system call" +
                                 (killed_by_watch_ ? " within 30 s" : ""));
    }
    return place() != Marks::done;
}

std::uint64_t SteppedChild::system_call() const {
    __ptrace_syscall_info info{};
    ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof(info), &info);
    return info.entry.nr;
}

void SteppedChild::fail_system_call(int error) {
#if defined(__x86_64__)
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
    registers.orig_rax = ~0ull;  // there is no such call
    ptrace(PTRACE_SETREGS, pid_, nullptr, &registers);
    run_to_system_call();  // the same one, on its way out
    ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
    registers.rax = static_cast<unsigned long long>(-error);
    ptrace(PTRACE_SETREGS, pid_, nullptr, &registers);
#else
    throw std::runtime_error("how is a system call made to fail here, with " +
                             std::to_string(error) + "?");
#endif
}

bool SteppedChild::run_through_system_call() {
    if (!run_to_system_call()) return false;
    run_to_system_call();
    return true;
}

int SteppedChild::run_free() {
    marks_.is_free.store(true);
    if (ptrace(PTRACE_DETACH, pid_, nullptr, nullptr) != 0) {
        throw std::runtime_error("ptrace: " + std::string(std::strerror(errno)));
    }
    const int status = wait_for_change(0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void SteppedChild::kill() {
    ::kill(pid_, SIGKILL);
    while (pid_ >= 0) wait_for_change(0);
}

void SteppedChild::stop() {
    // Sent before it is let go, so it stops again without another instruction.
    ::kill(pid_, SIGSTOP);
    if (ptrace(PTRACE_DETACH, pid_, nullptr, nullptr) != 0) {
        throw std::runtime_error("ptrace: " + std::string(std::strerror(errno)));
    }
    const int status = wait_for_change(WUNTRACED);
    if (!WIFSTOPPED(status)) throw std::runtime_error("the child " + describe(status));
}

int SteppedChild::continue_free() {
    marks_.is_free.store(true);
    ::kill(pid_, SIGCONT);
    const int status = wait_for_change(0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace headrace
