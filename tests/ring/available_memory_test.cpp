#include "ring/available_memory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>

namespace headrace::ring {
namespace {

namespace fs = std::filesystem;

class AvailableMemoryTest : public testing::Test {
  protected:
    AvailableMemoryTest() {
        std::string pattern = testing::TempDir() + "headrace-memory-XXXXXX";
        root_ = mkdtemp(pattern.data());
    }
    ~AvailableMemoryTest() override { fs::remove_all(root_); }
    void write(const std::string& path, const std::string& text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    fs::path root_;
};

TEST_F(AvailableMemoryTest, IsUnknownWithoutProc) {
    EXPECT_EQ(available_memory(root_).bytes, std::numeric_limits<std::uint64_t>::max());
}

TEST_F(AvailableMemoryTest, ReadsMemAvailable) {
    write("proc/meminfo", "MemTotal: 100 kB\nMemFree: 7 kB\nMemAvailable:   20 kB\n");
    EXPECT_EQ(available_memory(root_).bytes, 20u * 1024);
}

TEST_F(AvailableMemoryTest, TakesTheLeastOfAllGroupsAbove) {
    write("proc/meminfo", "MemAvailable: 1000000 kB\n");
    write("proc/self/cgroup", "0::/a/b\n");
    write("sys/fs/cgroup/a/b/memory.max", "max\n");
    write("sys/fs/cgroup/a/b/memory.current", "100\n");
    write("sys/fs/cgroup/a/memory.max", "5000\n");
    write("sys/fs/cgroup/a/memory.current", "3000\n");
    write("sys/fs/cgroup/a/memory.stat", "anon 2000\ninactive_file 1000\n");
    const AvailableMemory found = available_memory(root_);
    EXPECT_EQ(found.bytes, 3000u) << "what can be reclaimed is free";
    EXPECT_NE(found.source.find("/a/memory.max"), std::string::npos);
}

TEST_F(AvailableMemoryTest, ReadsGroupsOfTheFirstVersion) {
    write("proc/meminfo", "MemAvailable: 1000000 kB\n");
    write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/outside/of/this/container\n0::/\n");
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
    EXPECT_EQ(available_memory(root_).bytes, 0u);
}

// What a container sees: the path of the whole machine or its own, the groups from its own down.

TEST_F(AvailableMemoryTest, FindsTheLimitOfAContainerWithACgroupNamespaceOfItsOwn) {
    write("proc/meminfo", "MemAvailable: 1000000 kB\n");
    write("proc/self/cgroup", "0::/\n");
    write("sys/fs/cgroup/memory.max", "9000\n");
    write("sys/fs/cgroup/memory.current", "2000\n");
    write("sys/fs/cgroup/memory.stat", "anon 2000\nfile 0\ninactive_file 0\n");
    const AvailableMemory found = available_memory(root_);
    EXPECT_EQ(found.bytes, 7000u);
    EXPECT_EQ(found.source, (root_ / "sys/fs/cgroup/memory.max").string());
}

TEST_F(AvailableMemoryTest, FindsTheLimitOfAContainerThatSeesTheMachinesPath) {
    write("proc/meminfo", "MemAvailable: 1000000 kB\n");
    write("proc/self/cgroup", "0::/system.slice/docker-4f5a.scope\n");
    write("sys/fs/cgroup/memory.max", "9000\n");
    write("sys/fs/cgroup/memory.current", "2000\n");
    EXPECT_EQ(available_memory(root_).bytes, 7000u);
}

// Of the first version, where the memory's groups have a folder of their own.
TEST_F(AvailableMemoryTest, FindsAGroupInsideAContainerThatSeesTheMachinesPath) {
    write("proc/meminfo", "MemAvailable: 1000000 kB\n");
    write("proc/self/cgroup", "4:memory:/docker/4f5a/job/7\n");
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9000\n");
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n");
    write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "5000\n");
    write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1000\n");
    write("sys/fs/cgroup/memory/job/7/memory.limit_in_bytes", "9223372036854771712\n");
    write("sys/fs/cgroup/memory/job/7/memory.usage_in_bytes", "1000\n");
    const AvailableMemory found = available_memory(root_);
    EXPECT_EQ(found.bytes, 4000u);
    EXPECT_NE(found.source.find("/memory/job/memory.limit_in_bytes"), std::string::npos);
}

TEST_F(AvailableMemoryTest, LooksAboveAGroupThatIsGone) {
    write("proc/meminfo", "MemAvailable: 1000000 kB\n");
    write("proc/self/cgroup", "0::/a/b (deleted)\n");
    write("sys/fs/cgroup/a/memory.max", "5000\n");
    write("sys/fs/cgroup/a/memory.current", "3000\n");
    EXPECT_EQ(available_memory(root_).bytes, 2000u);
}

// The process is in a group beside the one that its namespace begins with.
TEST_F(AvailableMemoryTest, StaysBelowTheMountForAPathThatLeadsOutOfIt) {
    write("proc/meminfo", "MemAvailable: 1000000 kB\n");
    write("proc/self/cgroup", "0::/../beside\n");
    write("sys/fs/cgroup/memory.max", "9000\n");
    write("sys/fs/cgroup/memory.current", "2000\n");
    EXPECT_EQ(available_memory(root_).bytes, 7000u);
}

}  // namespace
}  // namespace headrace::ring
