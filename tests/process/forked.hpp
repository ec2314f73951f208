// A part of a test in a process of its own, forked, so that it may have limits, mounts or filters
// that the test must not have. It tells what came of it as text.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <functional>
#include <string>
#include <utility>

#include "ring/unique_fd.hpp"

namespace headrace {

class Forked {
  public:
    // What the part itself has of this class.
    class Inside {
      public:
        explicit Inside(int test) : test_(test) {}
        // Text for Forked::hear(), without a line's end.
        void say(const std::string& text) const {
            const std::string line = text + '\n';
            if (send(test_, line.data(), line.size(), MSG_NOSIGNAL) < 0) _exit(1);
        }
        // Until the test calls Forked::go_on(), or is gone.
        void wait() const {
            char byte = 0;
            if (read(test_, &byte, 1) < 0) _exit(1);
        }

      private:
        int test_;
    };

    // What `work` returns is said last; of an exception, what() says.
    explicit Forked(const std::function<std::string(const Inside&)>& work) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
        pid_ = fork();
        if (pid_ == 0) {
            close(ends[0]);
            become(work, Inside(ends[1]));
        }
        close(ends[1]);
        part_.reset(ends[0]);
    }
    ~Forked() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    Forked(Forked&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)), part_(std::move(other.part_)) {}
    Forked& operator=(Forked&&) = delete;

    pid_t pid() const { return pid_; }
    void go_on() const {
        [[maybe_unused]] const auto written = send(part_.get(), ".", 1, MSG_NOSIGNAL);
    }
    // The next that it says; "(silent)" when that is nothing for half a minute, "(gone)" at its
    // end.
    std::string hear() const {
        std::string line;
        for (;;) {
            pollfd look{.fd = part_.get(), .events = POLLIN, .revents = 0};
            if (poll(&look, 1, 30'000) != 1) return "(silent)";
            char byte = 0;
            if (read(part_.get(), &byte, 1) != 1) return "(gone)";
            if (byte == '\n') return line;
            line += byte;
        }
    }

  private:
    [[noreturn]] static void become(const std::function<std::string(const Inside&)>& work,
                                    const Inside& inside) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        std::string last;
        try {
            last = work(inside);
        } catch (const std::exception& error) {
            last = error.what();
        }
        inside.say(last);
        _exit(0);  // nothing of the test is to be taken down here
    }

    pid_t pid_ = -1;
    ring::UniqueFd part_;
};

}  // namespace headrace
