#include "ring/process_mark.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <thread>

namespace headrace::ring {
namespace {

constexpr int kNotPermitted = 77;

// What `work` returns in a forked child.
int in_child(const std::function<int()>& work) {
    const pid_t child = fork();
    if (child == 0) _exit(work());
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The same in a child that is pid 1 of a new pid namespace.
int in_namespace(const std::function<int()>& work) {
    // One that is not root may do so in a user namespace of its own.
    if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
        return kNotPermitted;
    }
    return in_child([&] { return getpid() == 1 ? work() : 9; });
}

// 0 when a child holds neither `inherited` for its own nor its own mark for nobody's.
int check_child(const ProcessMark& inherited) {
    if (inherited.is_here()) return 1;
    const ProcessMark own = ProcessMark::here();
    if (!own.is_here()) return 2;
    return inherited.is_here() ? 3 : 0;  // nor after its own was made
}

TEST(ProcessMarkTest, KnowsItsProcessInAllThreads) {
    const ProcessMark mark = ProcessMark::here();
    EXPECT_TRUE(mark.is_here());
    bool is_here = false;
    std::thread([&] { is_here = mark.is_here() && ProcessMark::here().is_here(); }).join();
    EXPECT_TRUE(is_here);
    EXPECT_FALSE(ProcessMark().is_here()) << "nobody's";
}

TEST(ProcessMarkTest, TellsChildAndGrandchildApart) {
    const ProcessMark mark = ProcessMark::here();
    EXPECT_EQ(in_child([&] { return check_child(mark); }), 0);
    EXPECT_EQ(in_child([&] {
                  const ProcessMark own = ProcessMark::here();
                  const int found = in_child([&] { return mark.is_here() ? 4 : check_child(own); });
                  return found != 0 ? found : own.is_here() ? 0 : 5;
              }),
              0);
    EXPECT_EQ(in_child([&] { return in_child([&] { return check_child(mark); }); }), 0)
        << "with a process between that made none";
    EXPECT_TRUE(mark.is_here());
}

// Both have the same pid, 1.
TEST(ProcessMarkTest, TellsAPid1FromItsChildThatIsPid1Too) {
    const int found = in_child([] {
        return in_namespace([] {
            const ProcessMark mark = ProcessMark::here();
            const int in_the_next = in_namespace([&] { return check_child(mark); });
            return in_the_next != 0 ? in_the_next : mark.is_here() ? 0 : 5;
        });
    });
    if (found == kNotPermitted) GTEST_SKIP() << "no pid namespace may be made here";
    EXPECT_EQ(found, 0);
}

}  // namespace
}  // namespace headrace::ring
