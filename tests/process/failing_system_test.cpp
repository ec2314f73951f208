// A trainer that makes its ring, and a producer that attaches, with one system call after the other
// made to fail: there is an error that names the ring, or the call was not needed; no file stays
// open, nothing hangs, and the next one can do it.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <set>

#include "gtest/temporary_folder.hpp"
#include "headrace/ring.hpp"
#include "process/single_step.hpp"

namespace headrace {
namespace {

namespace fs = std::filesystem;

// The kernel does not fail these for want of anything: a file is closed whatever close() says, our
// own pid is known, a futex and an eventfd work or were never there.
const std::set<std::uint64_t> kNeverFail{SYS_close, SYS_getpid, SYS_futex, SYS_write};

class FailingSystemTest : public testing::TestWithParam<int> {
  protected:
    void SetUp() override {
        if (const std::string why = obstacle_to_stepping(); !why.empty()) GTEST_SKIP() << why;
#ifndef __x86_64__
        GTEST_SKIP() << "how a system call is made to fail is known for x86-64 only";
#endif
    }

    // Fails one call after the other, and expects `after` to succeed each time.
    void fail_each(const std::string& part, const std::function<void()>& after) {
        std::uint64_t tolerated = 0, refused = 0;
        for (std::uint64_t calls = 0;; ++calls) {
            SteppedChild child({part, "test", folder()});
            child.run_to_its_stop();
            bool goes_on = true;
            for (std::uint64_t call = 0; goes_on && call < calls; ++call) {
                goes_on = child.run_through_system_call();
            }
            if (goes_on) goes_on = child.run_to_system_call();
            if (!goes_on) {
                child.kill();
                break;
            }
            if (kNeverFail.contains(child.system_call())) {
                child.kill();
                continue;
            }
            const std::uint64_t failed = child.system_call();
            child.fail_system_call(GetParam());
            const int status = child.run_free();
            SCOPED_TRACE("system call " + std::to_string(calls) + ", which is number " +
                         std::to_string(failed) + ": " + child.error());
            if (status == 1) {
                ++refused;
                EXPECT_NE(child.error().find("test"), std::string::npos) << "names the ring";
                EXPECT_NE(child.error().find_first_of(" "), std::string::npos) << "and says why";
            } else {
                ++tolerated;
                EXPECT_EQ(status, 0);
            }
            after();
        }
        std::cout << part << ": " << refused << " failing calls refused, " << tolerated
                  << " tolerated\n";
        RecordProperty("refused", std::to_string(refused));
        RecordProperty("tolerated", std::to_string(tolerated));
        EXPECT_GT(refused, 5u) << "what was made to fail at all?";
    }

    Ring make_ring() const {
        return Ring::create({.name = "test",
                             .schema = signed_record::schema(),
                             .slots = 4,
                             .epoch_records = 1000,
                             .directory = folder()});
    }
    std::string folder() const {
        return folder_.path().string();
    }
    TemporaryFolder folder_;
};

TEST_P(FailingSystemTest, LeavesNothingOfATrainerThatCannotMakeItsRing) {
    fail_each("create", [&] {
        for (const fs::directory_entry& entry : fs::directory_iterator(folder())) {
            const std::string name = entry.path().filename().string();
            EXPECT_TRUE(name == "test.sock" || name == "test.sock.new") << name << " is left";
        }
        { const Ring next = make_ring(); }
        EXPECT_TRUE(fs::is_empty(folder())) << "the next one takes away what there is";
    });
}

TEST_P(FailingSystemTest, LeavesTheRingAsItWasForAProducerThatCannotAttach) {
    Ring ring = make_ring();
    Consumer consumer = ring.consumer({.first_timeout = std::chrono::seconds(20)});
    fail_each("come and go", [&] {
        Producer next = Producer::attach("test", {.directory = folder()});
        auto record = next.claim();
        signed_record::publish(*record, signed_record::survivor);
        const auto got = consumer.get();
        ASSERT_TRUE(got);
        EXPECT_EQ(signed_record::writer_of(*got), signed_record::survivor);
    });
    EXPECT_EQ(ring.stats().lost, 0u);
}

std::string name_of_error(const testing::TestParamInfo<int>& info) {
    return strerrorname_np(info.param);
}
INSTANTIATE_TEST_SUITE_P(Each, FailingSystemTest, testing::Values(ENOMEM, EPERM, EMFILE, ENOSYS),
                         name_of_error);

}  // namespace
}  // namespace headrace
