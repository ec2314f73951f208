// A process whose descriptors run out, by a real limit: the trainer when it makes its ring or when
// producers come, a producer, an observer. There is an error that names the ring and says so, none
// is left open, nobody hangs or spins, and with room for more the next one succeeds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"
#include "process/forked.hpp"
#include "process/soft_limit.hpp"
#include "ring/ring_core.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kNoneLeft = "Too many open files";

// A producer that has its answer is attached; the trainer's thread may still have to close what it
// sent along. Whoever asks it for something waits for that.
void let_service_finish(const Ring& ring) {
    ring.shared_core()->attached();
}

// The limit that leaves this process room for so many more.
rlim_t room_for(rlim_t descriptors) {
    const ring::UniqueFd lowest_free(dup(STDIN_FILENO));
    return static_cast<rlim_t>(lowest_free.get()) + descriptors;
}

class DescriptorsTest : public RingFixture {
  protected:
    void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
        GTEST_SKIP() << "with this sanitizer comes that of undefined behaviour, which opens pipes";
#endif
    }
    // With room for ever more descriptors, until it works. Returns what was refused, a line each;
    // and at the end, if so, that descriptors are left open.
    static std::vector<std::string> refused_for_want(const std::function<void()>& work) {
        constexpr rlim_t kMost = 30;
        const std::ptrdiff_t before = open_descriptors();
        std::vector<std::string> refusals;
        for (rlim_t room = 0;; ++room) {
            SoftLimit few(RLIMIT_NOFILE, room_for(room));
            std::string refusal;
            try {
                work();
            } catch (const std::exception& error) {
                refusal = error.what();
            }
            few.lift();
            if (open_descriptors() != before) refusals.push_back("left open: " + refusal);
            if (refusal.empty()) return refusals;
            refusals.push_back(refusal);
            if (room == kMost) return refusals;
        }
    }
    // The same in a process of its own.
    static std::vector<std::string> refused_elsewhere(const std::function<void()>& work) {
        const Forked child([&](const Forked::Inside& inside) {
            for (const std::string& refusal : refused_for_want(work)) inside.say(refusal);
            return std::string("works");
        });
        std::vector<std::string> refusals;
        for (std::string line = child.hear(); line != "works"; line = child.hear()) {
            refusals.push_back(line);
            if (line == "(gone)" || line == "(silent)") break;
        }
        return refusals;
    }
};

TEST_F(DescriptorsTest, LackingAreTheErrorOfATrainerThatCannotMakeItsRing) {
    const auto refusals = refused_elsewhere([&] { Ring::create(options(1000)); });
    EXPECT_GE(refusals.size(), 4u) << "memory, folder, socket, epoll";
    for (const std::string& refusal : refusals) {
        EXPECT_TRUE(contains(refusal, "ring \"test\": "));
        EXPECT_TRUE(contains(refusal, kNoneLeft));
    }
    EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(DescriptorsTest, LackingAreTheErrorOfAProducerThatCannotAttach) {
    Ring ring = Ring::create(options(1000));
    const auto refusals =
        refused_elsewhere([&] { Producer::attach("test", {.directory = directory_}); });
    EXPECT_GE(refusals.size(), 4u) << "socket, pidfd, and the two that come with the answer";
    for (const std::string& refusal : refusals) {
        EXPECT_TRUE(contains(refusal, "ring \"test\": "));
        EXPECT_TRUE(contains(refusal, kNoneLeft));
    }
    EXPECT_TRUE(eventually([&] {
        const Stats stats = ring.stats();
        return stats.producers.size() == 1 && stats.producers[0].state == ProducerState::finished;
    })) << "the last one came, and those before it never did";
    EXPECT_EQ(ring.stats().deaths, 0u);
}

TEST_F(DescriptorsTest, LackingAreTheErrorOfAnObserverThatCannotLook) {
    const Ring ring = Ring::create(options(1000));
    const auto refusals = refused_elsewhere([&] { Observer("test", directory_); });
    EXPECT_GE(refusals.size(), 3u) << "socket, and the two that come with the answer";
    for (const std::string& refusal : refusals) {
        EXPECT_TRUE(contains(refusal, "ring \"test\": "));
        EXPECT_TRUE(contains(refusal, kNoneLeft));
    }
}

// Producers that come, one after the other, to a trainer that has so much room.
class CrowdTest : public DescriptorsTest {
  protected:
    RingOptions told(std::uint64_t records) {
        RingOptions told = options(records);
        told.on_message = [this](const Message& message) {
            const std::lock_guard lock(mutex_);
            messages_ += message.text + "\n";
            if (message.text.find("could not attach") != std::string::npos) {
                failures_.push_back(Clock::now());
            }
        };
        return told;
    }
    std::string all_messages() {
        const std::lock_guard lock(mutex_);
        return messages_;
    }
    std::vector<Clock::time_point> failures() {
        const std::lock_guard lock(mutex_);
        return failures_;
    }
    // Each attaches when it is told to, says what came of it, and works when it is told again.
    std::vector<Forked> producers(int count) {
        std::vector<Forked> all;
        for (int i = 0; i < count; ++i) {
            all.emplace_back([this](const Forked::Inside& inside) {
                inside.wait();
                auto producer = Producer::attach(
                    "test", {.timeout = std::chrono::milliseconds(0), .directory = directory_});
                inside.say("attached");
                inside.wait();
                while (producer.put({}, {}) == Outcome::ready) {
                }
                return std::string("ended");
            });
        }
        return all;
    }
    static std::string attach(const Forked& producer) {
        producer.go_on();
        return producer.hear();
    }
    static std::uint64_t drain(Consumer& consumer) {
        std::uint64_t records = 0;
        for (;;) {
            const auto record = consumer.get();
            if (record.outcome() == Outcome::end) return records;
            if (record) ++records;
        }
    }

  private:
    std::mutex mutex_;
    std::string messages_;
    std::vector<Clock::time_point> failures_;
};

// For each producer the trainer wants a third descriptor for a moment, beside the connection and
// the producer's pidfd, which it keeps: a pidfd of its own to send. With room for none, one and two
// it lacks one after the other.
TEST_F(CrowdTest, GetsTheProducersThatThereIsRoomForAndAnErrorForEachOther) {
    for (const rlim_t room : {rlim_t{0}, rlim_t{1}, rlim_t{2}}) {
        SCOPED_TRACE("room for " + std::to_string(room) + " descriptors");
        const std::ptrdiff_t before = open_descriptors();
        {
            const std::vector<Forked> first = producers(3), late = producers(2);
            Ring ring = Ring::create(told(100));
            for (const Forked& one : first) EXPECT_EQ(attach(one), "attached");
            let_service_finish(ring);
            SoftLimit few(RLIMIT_NOFILE, room_for(room));
            for (const Forked& one : late) one.go_on();
            for (const Forked& one : late) {
                const std::string refusal = one.hear();
                EXPECT_TRUE(contains(refusal, "ring \"test\": "));
                EXPECT_TRUE(contains(refusal, room == 0 ? "has not answered" : kNoneLeft));
            }
            few.lift();
            const std::vector<Forked> last = producers(1);
            EXPECT_EQ(attach(last[0]), "attached") << "with room for it";
            for (const Forked& one : first) one.go_on();
            last[0].go_on();
            Consumer consumer = ring.consumer();
            EXPECT_EQ(drain(consumer), 100u);
            for (const Forked& one : first) EXPECT_EQ(one.hear(), "ended");
            EXPECT_EQ(last[0].hear(), "ended");
            EXPECT_EQ(ring.stats().deaths, 0u) << all_messages();
        }
        EXPECT_EQ(open_descriptors(), before);
    }
}

// Whoever waits in the backlog would wake the service at once, again and again.
TEST_F(CrowdTest, WaitsWithoutSpinningForRoomAndHearsOfDeathsMeanwhile) {
    const std::vector<Forked> first = producers(3), late = producers(1);
    Ring ring = Ring::create(told(100));
    for (const Forked& one : first) ASSERT_EQ(attach(one), "attached");
    let_service_finish(ring);
    SoftLimit none(RLIMIT_NOFILE, room_for(0));
    late[0].go_on();
    ASSERT_TRUE(eventually([&] { return failures().size() >= 5; })) << all_messages();
    const std::vector<Clock::time_point> times = failures();
    for (std::size_t i = 1; i < times.size(); ++i) {
        EXPECT_GE(times[i] - times[i - 1], std::chrono::milliseconds(50)) << "a pause between";
    }
    kill(first[0].pid(), SIGKILL);
    EXPECT_TRUE(eventually([&] { return ring.stats().deaths == 1; })) << "heard all the same";
    // What the dead one leaves is room for two.
    EXPECT_TRUE(contains(late[0].hear(), kNoneLeft)) << "and so the one who waits is told";
    none.lift();
    for (const Forked& one : first) one.go_on();
    Consumer consumer = ring.consumer();
    EXPECT_EQ(drain(consumer), 100u);
}

}  // namespace
}  // namespace headrace
