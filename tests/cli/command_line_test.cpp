#include "cli/command_line.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <initializer_list>
#include <vector>

#include "headrace/error.hpp"

namespace headrace::cli {
namespace {

BenchOptions bench(BenchKind kind, std::initializer_list<const char*> words) {
    const std::vector<const char*> list(words);
    return parse_bench(kind, list).value();
}

StatOptions stat_options(std::initializer_list<const char*> words) {
    const std::vector<const char*> list(words);
    return parse_stat(list).value();
}

template <class Parse>
std::string usage_error(Parse parse) {
    try {
        parse();
    } catch (const UsageError& error) {
        return error.what();
    }
    return "none";
}

std::string bench_error(std::initializer_list<const char*> words,
                        BenchKind kind = BenchKind::ring) {
    return usage_error([&] { bench(kind, words); });
}

TEST(CommandLineTest, HasDefaults) {
    const BenchOptions options = bench(BenchKind::ring, {});
    EXPECT_EQ(options.producers, 1u);
    EXPECT_EQ(options.shape.floats, 256u);
    EXPECT_EQ(options.shape.ints, 16u);
    EXPECT_EQ(options.shape.fill, 1.0);
    EXPECT_EQ(options.slots, 1024u);
    EXPECT_EQ(options.batch, 256u);
    EXPECT_EQ(options.records, 4'000'000'000 / 1088);
    EXPECT_EQ(options.name, "bench-" + std::to_string(::getpid()));
    EXPECT_EQ(options.layout, Layout::packed);
    EXPECT_EQ(options.device, "host");
    EXPECT_TRUE(options.json.empty());
}

TEST(CommandLineTest, ReadsEveryOptionOfABenchmark) {
    const BenchOptions options = bench(
        BenchKind::loader,
        {"--producers", "3",        "--floats=100", "--ints",     "7",       "--fill", "0.5",
         "--records",   "99",       "--slots",      "64",         "--batch", "32",     "--layout",
         "trimmed",     "--device", "best",         "--transfer", "gather",  "--json", "-",
         "--name",      "voices",   "--directory",  "/tmp/x"});
    EXPECT_EQ(options.producers, 3u);
    EXPECT_EQ(options.shape.floats, 100u);
    EXPECT_EQ(options.shape.ints, 7u);
    EXPECT_EQ(options.shape.fill, 0.5);
    EXPECT_EQ(options.records, 99u);
    EXPECT_EQ(options.slots, 64u);
    EXPECT_EQ(options.batch, 32u);
    EXPECT_EQ(options.layout, Layout::trimmed);
    EXPECT_EQ(options.device, "best");
    EXPECT_EQ(options.transfer, Transfer::gather);
    EXPECT_EQ(options.json, "-");
    EXPECT_EQ(options.name, "voices");
    EXPECT_EQ(options.directory, "/tmp/x");
}

TEST(CommandLineTest, NamesTheOptionThatIsWrong) {
    EXPECT_EQ(bench_error({"--floats", "0"}).find("--floats: found \"0\", wanted"), 0u);
    EXPECT_EQ(bench_error({"--floats", "--ints", "3"}).find("--floats: found \"--ints\""), 0u);
    EXPECT_EQ(bench_error({"--producers", "256"}).find("--producers: found \"256\""), 0u);
    EXPECT_EQ(bench_error({"--records", "-1"}).find("--records: found \"-1\""), 0u);
    EXPECT_EQ(bench_error({"--slots=1"}).find("--slots: found \"1\""), 0u);
    EXPECT_EQ(bench_error({"--fill", "2"}).find("--fill: found \"2\""), 0u);
    EXPECT_EQ(
        bench_error({"--slots", "8", "--batch", "5"}).find("--batch: found 5, wanted at most 4"),
        0u);
    EXPECT_EQ(bench_error({"--layout", "ragged"}, BenchKind::loader).find("--layout: "), 0u);
    EXPECT_EQ(bench_error({"--device", "gpu:77"}, BenchKind::loader).find("--device: "), 0u);
    EXPECT_EQ(bench_error({"--transfer", "fly"}, BenchKind::loader).find("--transfer: "), 0u);
    EXPECT_NE(bench_error({"--name", "a/b"}).find("--name"), std::string::npos);
}

TEST(CommandLineTest, RefusesWhatItDoesNotKnow) {
    EXPECT_NE(bench_error({"--flaots", "3"}).find("flaots"), std::string::npos);
    EXPECT_NE(bench_error({"--floats"}).find("floats"), std::string::npos);
    EXPECT_NE(bench_error({"extra"}).find("\"extra\""), std::string::npos);
    EXPECT_NE(bench_error({"-z"}).find('z'), std::string::npos);
    EXPECT_NE(bench_error({"--layout", "packed"}).find("layout"), std::string::npos);  // of a ring
}

TEST(CommandLineTest, NamesTheOptionOfTheDeviceBenchmarkThatIsWrong) {
    const auto error = [](std::initializer_list<const char*> words) {
        return usage_error([&] { parse_bench_device(std::vector<const char*>(words)); });
    };
    EXPECT_EQ(error({"--only", "sleep"}), "--only: found \"sleep\", wanted link, strip or step");
    EXPECT_EQ(error({"--producers", "0"}).find("--producers: found \"0\""), 0u);
    EXPECT_EQ(error({"--transfer", "fly"}).find("--transfer: "), 0u);
    EXPECT_EQ(error({"--name", "a/b"}).find("--name"), 0u);
    EXPECT_EQ(error({"--device", "gpu"}).find("--device: "), 0u);
    EXPECT_EQ(error({"--device", "host"}).find("--device: found host, wanted a GPU"), 0u);
    EXPECT_NE(error({"extra"}).find("\"extra\""), std::string::npos);
}

TEST(CommandLineTest, ChoosesRecordsBySize) {
    EXPECT_EQ(default_records({1'000'000, 1, 1.0}), 1000u);
    EXPECT_EQ(default_records({5, 5, 1.0}), 100'000'000u);
}

TEST(CommandLineTest, ProducerReadsWhatABenchmarkWrites) {
    BenchProducerOptions options;
    options.name = "-odd.name";
    options.fill = 0.1 + 0.2;  // has no short decimal form
    options.parent = 4321;
    options.directory = "/tmp/a folder";
    const std::vector<std::string> words = bench_producer_arguments(options);
    EXPECT_EQ(words.front(), "bench-producer");
    std::vector<const char*> list;
    for (std::size_t word = 1; word < words.size(); ++word) list.push_back(words[word].c_str());
    const BenchProducerOptions read = parse_bench_producer(list);
    EXPECT_EQ(read.name, options.name);
    EXPECT_EQ(read.fill, options.fill);
    EXPECT_EQ(read.parent, options.parent);
    EXPECT_EQ(read.directory, options.directory);
}

TEST(CommandLineTest, ReadsTheFormsOfWatch) {
    EXPECT_FALSE(stat_options({"voices"}).watch_s);
    EXPECT_EQ(stat_options({"voices", "--watch"}).watch_s, 1.0);
    EXPECT_EQ(stat_options({"voices", "--watch", "2.5"}).watch_s, 2.5);
    EXPECT_EQ(stat_options({"--watch=10", "voices"}).watch_s, 10.0);
    EXPECT_EQ(stat_options({"--watch", "10", "voices", "--json"}).watch_s, 10.0);
    EXPECT_EQ(stat_options({"--watch", "voices"}).name, "voices");
    EXPECT_EQ(stat_options({"42", "--watch"}).name, "42");
}

TEST(CommandLineTest, ReadsTheFormatsOfStat) {
    EXPECT_EQ(stat_options({"voices"}).format, StatFormat::table);
    EXPECT_EQ(stat_options({"voices", "--json"}).format, StatFormat::json);
    EXPECT_EQ(stat_options({"--prometheus", "voices"}).format, StatFormat::prometheus);
}

TEST(CommandLineTest, ReadsTheOptionsOfList) {
    const auto directory = [](std::initializer_list<const char*> words) {
        return parse_list(std::vector<const char*>(words)).value().directory;
    };
    EXPECT_EQ(directory({}), "");
    EXPECT_EQ(directory({"--directory", "/tmp/x"}), "/tmp/x");
    EXPECT_NE(usage_error([&] { directory({"voices"}); }).find("\"voices\""), std::string::npos);
}

TEST(CommandLineTest, RefusesWrongWordsOfStat) {
    const auto error = [](std::initializer_list<const char*> words) {
        return usage_error([&] { stat_options(words); });
    };
    EXPECT_EQ(error({}), "wanted the name of a ring; see --help");
    EXPECT_NE(error({"a", "b"}).find("\"b\""), std::string::npos);
    EXPECT_NE(error({"a/b"}).find("a/b"), std::string::npos);
    EXPECT_NE(error({"a", "--json", "--prometheus"}).find("at most one"), std::string::npos);
    EXPECT_NE(error({"a", "--watch", "--prometheus"}).find("--watch"), std::string::npos);
    EXPECT_EQ(error({"a", "--watch=0"}).find("--watch: found \"0\""), 0u);
    EXPECT_EQ(error({"a", "--watch=soon"}).find("--watch: found \"soon\""), 0u);
}

}  // namespace
}  // namespace headrace::cli
