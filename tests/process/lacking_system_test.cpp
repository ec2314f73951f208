// Systems that lack what others have: /proc is not mounted, or the kernel has no pidfd (or a filter
// in front of it says so). What a ring needs of them is an error that says what to do about it; the
// rest works.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"
#include "process/forked.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

constexpr std::uint64_t kRecords = 100;

class LackingSystemTest : public RingFixture {
  protected:
    static bool put(const char* path, const std::string& text) {
        const ring::UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
        return file &&
               write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    }
    // For this process and its children; why not, or empty.
    static std::string hide_proc() {
        const unsigned user = geteuid(), group = getegid();
        if (unshare(CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER)) != 0) {
            return "no mount namespace may be made here";
        }
        const auto itself = [](unsigned id) {
            return std::to_string(id) + " " + std::to_string(id) + " 1";
        };
        if (user != 0 &&
            !(put("/proc/self/uid_map", itself(user)) && put("/proc/self/setgroups", "deny") &&
              put("/proc/self/gid_map", itself(group)))) {
            return "the user cannot be mapped";
        }
        if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            mount("none", "/proc", "tmpfs", 0, nullptr) != 0) {
            return "nothing may be mounted here";
        }
        return access("/proc/self", F_OK) == 0 ? "/proc is still there" : "";
    }
    // From now on the system call fails so, in this process and its children.
    static std::string take_away(unsigned call, unsigned error) {
        sock_filter steps[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog program{.len = 4, .filter = steps};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
            return "no filter of system calls may be set here";
        }
        return {};
    }

    // A producer process that works until the ring ends; one that is to die does so when it has
    // claimed a record.
    Forked producer(bool dies) {
        return Forked([this, dies](const Forked::Inside&) {
            auto producer = Producer::attach("test", {.directory = directory_});
            if (dies) {
                const auto held = producer.claim();
                kill(getpid(), SIGKILL);
            }
            while (producer.put({}, {}) == Outcome::ready) {
            }
            return std::string("ended");
        });
    }
    // A whole life of a ring, with a death, in this process and its children; what is not as it
    // should be, or "all is well".
    std::string live() {
        std::string wrong;
        const auto expect = [&wrong](bool condition, const char* what) {
            if (!condition) wrong += std::string(wrong.empty() ? "" : ", ") + what;
        };
        Ring ring = Ring::create(options(kRecords));
        {
            const Forked dying = producer(true);
            expect(eventually([&] { return ring.stats().deaths == 1; }), "the death is not heard");
        }
        expect(said("(producer, pid "), "a program that cannot be named is \"producer\"");
        const Forked other = producer(false);
        Consumer consumer = ring.consumer({.stall_timeout = std::chrono::seconds(20)});
        std::uint64_t next = 0;
        for (;;) {
            const auto record = consumer.get();
            if (!record) break;
            expect(record->index() == next++, "the order is not that of the indices");
        }
        expect(next == kRecords, "not all came");
        expect(other.hear() == "ended", "the other did not end in order");
        const Stats stats = ring.stats();
        expect(stats.returned == 1 && stats.lost == 0, "the record of the dead was not handed on");
        return wrong.empty() ? "all is well" : wrong;
    }
};

TEST_F(LackingSystemTest, CarriesAllRecordsWithoutProcAndHearsOfDeaths) {
    const Forked trainer([this](const Forked::Inside&) {
        const std::string obstacle = hide_proc();
        return obstacle.empty() ? live() : "skip: " + obstacle;
    });
    const std::string came_of_it = trainer.hear();
    if (came_of_it.starts_with("skip")) GTEST_SKIP() << came_of_it;
    EXPECT_EQ(came_of_it, "all is well");
}

TEST_F(LackingSystemTest, ShowsNobodyARingWhoseTrainerHasNoProc) {
    const Forked trainer([this](const Forked::Inside& inside) {
        const std::string obstacle = hide_proc();
        if (!obstacle.empty()) return "skip: " + obstacle;
        Ring ring = Ring::create(options(kRecords));
        inside.say("made");
        inside.wait();
        ring.producer().put({}, {});
        return std::string(ring.consumer().get() ? "and goes on" : "and stands still");
    });
    const std::string made = trainer.hear();
    if (made.starts_with("skip")) GTEST_SKIP() << made;
    const std::string refusal = error_text<SystemError>([&] { Observer("test", directory_); });
    EXPECT_TRUE(contains(refusal, "ring \"test\": refused: "));
    EXPECT_TRUE(contains(refusal, "/proc/self/fd/"));
    EXPECT_TRUE(contains(refusal, "is /proc mounted where the trainer runs?"));
    trainer.go_on();
    EXPECT_EQ(trainer.hear(), "and goes on");
}

TEST_F(LackingSystemTest, ShowsARingToWhoeverHasNoProc) {
    const Ring ring = Ring::create(options(kRecords));
    const Forked looking([this](const Forked::Inside&) {
        const std::string obstacle = hide_proc();
        return obstacle.empty() ? Observer("test", directory_).snapshot().ring
                                : "skip: " + obstacle;
    });
    const std::string shown = looking.hear();
    if (shown.starts_with("skip")) GTEST_SKIP() << shown;
    EXPECT_EQ(shown, "test");
}

// ---- no pidfd ----

class NoPidfdTest : public LackingSystemTest, public testing::WithParamInterface<int> {
  protected:
    static std::string take_pidfds_away() {
        return take_away(SYS_pidfd_open, static_cast<unsigned>(GetParam()));
    }
    static void expect_explained(const std::string& text) {
        EXPECT_TRUE(contains(text, "ring \"test\": "));
        EXPECT_TRUE(contains(text, std::string("pidfd_open: ") + std::strerror(GetParam())));
        EXPECT_TRUE(contains(text, "Linux 5.3"));
        EXPECT_TRUE(contains(text, "threads of the trainer"));
    }
};

TEST_P(NoPidfdTest, LeavesThreadsOfTheTrainerToProduce) {
    const Forked trainer([this](const Forked::Inside& inside) {
        const std::string obstacle = take_pidfds_away();
        if (!obstacle.empty()) return "skip: " + obstacle;
        Ring ring = Ring::create(options(kRecords));
        inside.say("made");
        inside.wait();
        std::thread working([producer = ring.producer()]() mutable {
            while (producer.put({}, {}) == Outcome::ready) {
            }
        });
        Consumer consumer = ring.consumer();
        std::uint64_t records = 0;
        while (consumer.get()) ++records;
        working.join();
        return std::to_string(records) + " came";
    });
    const std::string made = trainer.hear();
    if (made.starts_with("skip")) GTEST_SKIP() << made;
    expect_explained(
        error_text<SystemError>([&] { Producer::attach("test", {.directory = directory_}); }));
    expect_explained(error_text<SystemError>([&] { Observer("test", directory_); }));
    trainer.go_on();
    EXPECT_EQ(trainer.hear(), std::to_string(kRecords) + " came");
}

TEST_P(NoPidfdTest, LetsNoProducerAttachWhoseDeathNobodyWouldHearOf) {
    Ring ring = Ring::create(options(kRecords));
    const Forked lacking([this](const Forked::Inside&) {
        const std::string obstacle = take_pidfds_away();
        if (!obstacle.empty()) return "skip: " + obstacle;
        Producer::attach("test", {.directory = directory_});
        return std::string("attached");
    });
    const std::string refusal = lacking.hear();
    if (refusal.starts_with("skip")) GTEST_SKIP() << refusal;
    expect_explained(refusal);
    EXPECT_TRUE(ring.stats().producers.empty());
    EXPECT_EQ(messages(), "");
}

std::string name_of_error(const testing::TestParamInfo<int>& info) {
    return strerrorname_np(info.param);
}
INSTANTIATE_TEST_SUITE_P(Each, NoPidfdTest, testing::Values(ENOSYS, EPERM), name_of_error);

}  // namespace
}  // namespace headrace
