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

}  // namespace
}  // namespace headrace::ring
