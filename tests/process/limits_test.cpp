// Limits on memory that a system has set, met for real: address space, sizes of files, locked
// memory, a control group. What they stop is an error that names the ring and the limit; nothing is
// left behind, and without the limit the next one succeeds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "gtest/error_text.hpp"
#include "headrace/error.hpp"
#include "process/forked.hpp"
#include "process/soft_limit.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {
namespace {

namespace fs = std::filesystem;

class LimitsTest : public RingFixture {
  protected:
    // The error of making a ring of so many slots of 4 KiB in a process with that limit, which
    // then, without it, makes the same ring; "none" for no error.
    std::string refused_with(int limit, const std::function<rlim_t()>& value, std::uint32_t slots) {
        const Forked child([&](const Forked::Inside& inside) {
            RingOptions large = options(1000, slots);
            large.schema = Schema::float_int(1024, 1);
            const std::ptrdiff_t before = open_descriptors();
            SoftLimit strict(limit, value());
            if (!strict.is_set()) return std::string("the limit cannot be set");
            try {
                const Ring ring = Ring::create(large);
                inside.say("none");
            } catch (const std::exception& error) {
                inside.say(error.what());
            }
            strict.lift();
            if (open_descriptors() != before) return std::string("descriptors are left open");
            const Ring ring = Ring::create(large);
            return std::string("made");
        });
        std::string error = child.hear();
        EXPECT_EQ(child.hear(), "made") << "and nothing is left: after " << error;
        EXPECT_TRUE(fs::is_empty(directory_)) << "no socket either";
        return error;
    }
};

TEST_F(LimitsTest, ForAddressSpaceIsTheErrorOfARingThatCannotBeMapped) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer wants all of the address space";
#endif
    const auto little_more = [] {
        std::uint64_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        return static_cast<rlim_t>(pages * static_cast<std::uint64_t>(getpagesize()) + (16u << 20));
    };
    const std::string error = refused_with(RLIMIT_AS, little_more, 8192);
    EXPECT_TRUE(contains(error, "ring \"test\": mapping 3"));  // MiB
    EXPECT_TRUE(contains(error, "Cannot allocate memory"));
}

// The kernel sends SIGXFSZ to whoever grows a file beyond it, a memfd too, and that is deadly.
TEST_F(LimitsTest, ForTheSizeOfFilesIsAnErrorAndNotTheTrainersEnd) {
    const std::string error = refused_with(
        RLIMIT_FSIZE, [] { return rlim_t{1} << 20; }, 1024);
    EXPECT_TRUE(contains(error, "ring \"test\": needs 5 MiB"));
    EXPECT_TRUE(contains(error, "RLIMIT_FSIZE"));
    EXPECT_TRUE(contains(error, "1 MiB"));
}

TEST_F(LimitsTest, ForLockedMemoryDoesNotConcernARing) {
    EXPECT_EQ(refused_with(
                  RLIMIT_MEMLOCK, [] { return rlim_t{0}; }, 1024),
              "none");
}

// A control group for memory of the test's own, below the one that it is in; with version 2, below
// the nearest above it that hands memory on.
class MemoryGroup {
  public:
    explicit MemoryGroup(std::uint64_t bytes) {
        std::ifstream groups("/proc/self/cgroup");
        for (std::string line; std::getline(groups, line);) {
            const auto second = line.find(':', line.find(':') + 1);
            const std::string group = line.substr(second + 2);  // without its first slash
            if (line.find(":memory:") != std::string::npos) {
                make(fs::path("/sys/fs/cgroup/memory") / group, "memory.limit_in_bytes", bytes);
            } else if (line.starts_with("0::")) {
                for (fs::path at = group;; at = at.parent_path()) {
                    make(fs::path("/sys/fs/cgroup") / at, "memory.max", bytes);
                    if (at.empty()) break;
                }
            }
        }
    }
    ~MemoryGroup() {
        std::error_code ignored;
        if (!path_.empty()) fs::remove(path_, ignored);
    }
    MemoryGroup(const MemoryGroup&) = delete;
    MemoryGroup& operator=(const MemoryGroup&) = delete;

    bool is_there() const { return !path_.empty(); }
    const fs::path& limit() const { return limit_; }
    // Moves this process into it.
    bool enter() const {
        std::ofstream processes(path_ / "cgroup.procs");
        return bool(processes << getpid() << std::flush);
    }

  private:
    void make(const fs::path& above, const char* limit, std::uint64_t bytes) {
        if (is_there()) return;
        const fs::path path = above / ("headrace-test-" + std::to_string(getpid()));
        std::error_code error;
        if (!fs::create_directory(path, error)) return;
        std::ofstream file;
        if (fs::exists(path / limit, error)) file.open(path / limit);
        if (file.is_open() && file << bytes << std::flush) {
            path_ = path;
            limit_ = path / limit;
        } else {
            fs::remove(path, error);
        }
    }

    fs::path path_, limit_;
};

TEST_F(LimitsTest, OfAControlGroupIsTheErrorOfARingThatWouldPassIt) {
    constexpr std::uint64_t kLimit = 96u << 20;
    const MemoryGroup group(kLimit);
    if (!group.is_there()) GTEST_SKIP() << "no control group for memory may be made here";
    const Forked child([&](const Forked::Inside& inside) {
        if (!group.enter()) return std::string("cannot be moved there");
        RingOptions large = options(1000, 32'768);
        large.schema = Schema::float_int(1024, 1);
        try {
            const Ring ring = Ring::create(large);
            inside.say("made, and the kernel kills whoever uses it");
        } catch (const SystemError& error) {
            inside.say(error.what());
        }
        large.slots = 64;
        const Ring ring = Ring::create(large);
        ring.stats();
        return std::string("made");
    });
    const std::string error = child.hear();
    if (error == "cannot be moved there") GTEST_SKIP() << "into a control group: " << error;
    EXPECT_TRUE(contains(error, "ring \"test\": needs 13")) << "MiB";
    EXPECT_TRUE(contains(error, "MiB of shared memory, there are "));
    EXPECT_TRUE(contains(error, group.limit().string()));
    EXPECT_TRUE(contains(error, "use fewer slots or smaller capacities"));
    EXPECT_EQ(child.hear(), "made") << "what fits is made";
}

}  // namespace
}  // namespace headrace
