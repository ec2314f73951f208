// `headrace stat` in a process of its own, on rings of this one.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "headrace/consumer.hpp"
#include "headrace/producer.hpp"
#include "headrace/ring.hpp"
#include "run_program.hpp"

namespace headrace::cli {
namespace {

class StatProgramTest : public testing::Test {
  protected:
    Ring make_ring(bool shared_consumers = false) {
        RingOptions options;
        options.name = "voices";
        options.schema = Schema::float_int(100, 10);
        options.slots = 16;
        options.epoch_records = 1000;
        options.shared_consumers = shared_consumers;
        return Ring::create(options);
    }
    static void publish(Producer& producer, int records) {
        for (int record = 0; record < records; ++record) producer.claim()->publish(50, 5);
    }
    Ended stat(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "stat");
        return run_program(folder_, std::move(arguments));
    }
    TestFolder folder_;
};

TEST_F(StatProgramTest, NamesARingThatIsNotThere) {
    const Ended ended = stat({"nobody"});
    EXPECT_EQ(ended.status, 1);
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(ended.err.starts_with("headrace: ")) << ended.err;
    EXPECT_NE(ended.err.find("nobody"), std::string::npos) << ended.err;
}

TEST_F(StatProgramTest, ShowsALiveRing) {
    Ring ring = make_ring();
    Producer producer = ring.producer("maker");
    publish(producer, 5);
    const Ended ended = stat({"voices"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_NE(ended.out.find("voices: open"), std::string::npos) << ended.out;
    EXPECT_NE(ended.out.find("# ready 5"), std::string::npos) << ended.out;
    EXPECT_NE(ended.out.find("claimed 5 = delivered 0 + in the ring 5"), std::string::npos)
        << ended.out;
    EXPECT_NE(ended.out.find("maker"), std::string::npos) << ended.out;
}

TEST_F(StatProgramTest, WritesJsonThatOthersCanRead) {
    Ring ring = make_ring();
    Producer producer = ring.producer("odd \"name\" \\ \x1B\xFF");
    publish(producer, 5);
    Consumer consumer = ring.consumer();
    consumer.take(2)->release();
    const Ended ended = stat({"voices", "--json"});
    ASSERT_EQ(ended.status, 0) << ended.err;
    const auto json = nlohmann::json::parse(ended.out);
    EXPECT_EQ(json["claimed"], 5);
    EXPECT_EQ(json["delivered"], 2);
    EXPECT_EQ(json["ready"], 3);
    EXPECT_EQ(json["producers"][0]["published"], 5);

    const std::string path = folder_.path() + "/snapshot.json";
    std::ofstream(path) << ended.out;
    if (!std::filesystem::exists("/usr/bin/python3")) GTEST_SKIP() << "there is no python3";
    Program python(folder_, {"-c", "import json, sys; json.load(open(sys.argv[1]))", path},
                   "/usr/bin/python3");
    EXPECT_EQ(python.wait().status, 0);
}

TEST_F(StatProgramTest, ShowsConsumersThatShareALiveRing) {
    Ring ring = make_ring(true);
    Producer producer = ring.producer("maker");
    publish(producer, 5);
    EXPECT_EQ(stat({"voices"}).out.find("consumer"), std::string::npos) << "none has come";
    Consumer first = ring.consumer({}, "odd \"name\" \\ \x1B\xFF");
    Consumer second = ring.consumer({}, "infer");
    first.get()->release();
    const auto lease = second.take(2);
    const Ended table = stat({"voices"});
    EXPECT_EQ(table.status, 0) << table.err;
    for (const char* part :
         {"\nconsumers 2\n", "= leased 2", "delivered 1 + in the ring 4", "infer"}) {
        EXPECT_NE(table.out.find(part), std::string::npos) << part << " in\n" << table.out;
    }
    EXPECT_EQ(table.out.find('\x1B'), std::string::npos);

    const auto json = nlohmann::json::parse(stat({"voices", "--json"}).out);
    EXPECT_EQ(json["redelivered"], 0);
    EXPECT_EQ(json["producers"].size(), 1u);
    ASSERT_EQ(json["consumers"].size(), 2u);
    EXPECT_EQ(json["consumers"][0]["delivered"], 1);
    EXPECT_EQ(json["consumers"][1]["identity"], "infer");
    EXPECT_EQ(json["consumers"][1]["delivered"], 0) << "held, and not given back";
}

TEST_F(StatProgramTest, WritesMetricsOfALiveRing) {
    Ring ring = make_ring();
    Producer producer = ring.producer("maker");
    publish(producer, 5);
    const Ended ended = stat({"voices", "--prometheus"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_NE(ended.out.find("headrace_records_claimed_total{ring=\"voices\"} 5\n"),
              std::string::npos)
        << ended.out;
}

TEST_F(StatProgramTest, WatchesUntilTheRingEnds) {
    Ring ring = make_ring();
    Program program(folder_, {"stat", "voices", "--watch", "0.05", "--json"});
    Producer producer = ring.producer("maker");
    publish(producer, 5);
    // A look at the ring while it was open, at least.
    EXPECT_TRUE(eventually([&] { return program.output().find('\n') != std::string::npos; }));
    ring.close();
    const Ended ended = program.wait(std::chrono::seconds(20));
    EXPECT_EQ(ended.status, 0) << ended.err;
    std::istringstream lines(ended.out);
    std::string last;
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        last = nlohmann::json::parse(line)["phase"];
    }
    EXPECT_GT(count, 1);
    EXPECT_EQ(last, "closed");
}

TEST_F(StatProgramTest, InterruptEndsAWatch) {
    const Ring ring = make_ring();
    Program program(folder_, {"stat", "voices", "--watch", "60"});
    EXPECT_TRUE(eventually([&] { return program.output().find("verdict") != std::string::npos; }));
    program.signal(SIGINT);
    EXPECT_EQ(program.wait(std::chrono::seconds(20)).status, 0);
}

}  // namespace
}  // namespace headrace::cli
