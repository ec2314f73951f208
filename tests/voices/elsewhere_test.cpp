// Producers that the trainer has not started: by hand, or in containers of their own. They come,
// die, are told to go and are replaced while the training goes on.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/producer.hpp"
#include "headrace/stats.hpp"
#include "sound_files.hpp"
#include "trainer_program.hpp"

namespace {

using headrace::ProducerState;
using headrace::ProducerStats;
using samples_test::Process;
using samples_test::wait_until;
using voices_test::Program;

constexpr std::size_t kPrompts = 40;  // in each of five languages: 200 recordings
const std::string kTrain = "t-train";
const std::string kHeldOut = "t-held-out";

// A producer of the test's own that keeps a record to itself: until it is released the training
// cannot end, and the others are at most the ring's places ahead.
class Hold {
  public:
    explicit Hold(const std::string& directory)
        : producer_(headrace::Producer::attach(kTrain, {.directory = directory})) {
        auto claimed = producer_.claim();
        if (claimed) record_.emplace(std::move(*claimed));
    }
    // The record goes to another producer.
    void release() {
        record_.reset();
        producer_.finish();
    }

  private:
    headrace::Producer producer_;
    std::optional<headrace::ClaimedRecord> record_;
};

class ElsewhereTest : public testing::Test {
  protected:
    ElsewhereTest() { voices_test::write_languages(data(), kPrompts); }
    std::filesystem::path data() const { return folder_.path() / "data"; }
    std::string sockets() const { return (folder_.path() / "sockets").string(); }

    // Places for 32 records, where an epoch has some 160.
    std::unique_ptr<Program> start_trainer(std::vector<std::string> options) {
        options.insert(options.end(), {"--name", "t", "--batch", "8", "--device", "host"});
        return std::make_unique<Program>(folder_.path(), data(), options);
    }
    std::unique_ptr<Process> start_producer(const std::vector<std::string>& options = {}) {
        std::vector<std::string> command{HEADRACE_TEST_VOICES_PRODUCER,
                                         "--name",
                                         "t",
                                         "--data",
                                         data().string(),
                                         "--directory",
                                         sockets(),
                                         "--wait",
                                         "1000"};
        command.insert(command.end(), options.begin(), options.end());
        return std::make_unique<Process>(
            command, folder_.path() / ("producer-" + std::to_string(++producers_)));
    }
    // What is usual: producers that the trainer starts, and nobody goes before the end.
    std::string usual_order() {
        const auto trainer = start_trainer({"--epochs", "2", "--producers", "2"});
        EXPECT_EQ(trainer->wait(), 0) << trainer->output();
        return trainer->result("order_hash");
    }

    std::optional<ProducerStats> stats_of(const std::string& ring, pid_t pid) const {
        const headrace::Stats stats = headrace::Observer(ring, sockets()).snapshot();
        const auto found = std::ranges::find(stats.producers, pid, &ProducerStats::pid);
        return found == stats.producers.end() ? std::nullopt : std::optional(*found);
    }
    // True as soon as the producer is in this state in both rings.
    bool wait_for(ProducerState state, pid_t pid) const {
        return wait_until([&] {
            const auto train = stats_of(kTrain, pid);
            const auto held_out = stats_of(kHeldOut, pid);
            return train && held_out && train->state == state && held_out->state == state;
        });
    }
    bool wait_until_it_writes(pid_t pid) const {
        return wait_until([&] {
            const auto train = stats_of(kTrain, pid);
            return train && train->published > 0;
        });
    }

  private:
    voices_test::TemporaryFolder folder_;
    int producers_ = 0;
};

TEST_F(ElsewhereTest, ProducersComeBeforeAndAfterTheTrainerAndAreReplacedWhenTheyAreKilled) {
    const std::string usual = usual_order();
    const auto early = start_producer();
    early->signal(SIGSTOP);  // or it might be through before the test has a hold
    const auto trainer = start_trainer({"--epochs", "2", "--producers", "0"});
    ASSERT_TRUE(trainer->wait_for_output("waiting for producers")) << trainer->output();
    EXPECT_NE(trainer->output().find("rings t-train and t-held-out in " + sockets()),
              std::string::npos)
        << trainer->output();
    EXPECT_NE(trainer->output().find("voices_producer --name t --directory " + sockets() +
                                     " --data " + data().string() + "\n"),
              std::string::npos)
        << trainer->output();
    Hold hold(sockets());
    early->signal(SIGCONT);
    ASSERT_TRUE(wait_until_it_writes(early->pid())) << early->output();
    const auto late = start_producer();
    ASSERT_TRUE(wait_for(ProducerState::attached, late->pid())) << late->output();
    early->signal(SIGKILL);
    EXPECT_EQ(early->wait(), 137);
    const auto successor = start_producer();
    ASSERT_TRUE(wait_for(ProducerState::attached, successor->pid())) << successor->output();
    hold.release();
    EXPECT_EQ(trainer->wait(), 0) << trainer->output();
    EXPECT_EQ(late->wait(), 0) << late->output();
    EXPECT_EQ(successor->wait(), 0) << successor->output();
    EXPECT_EQ(trainer->result("order_hash"), usual);
    EXPECT_EQ(trainer->result("lost"), "0");
    EXPECT_EQ(trainer->result("producers"), "0");
    EXPECT_EQ(trainer->result("attached_producers"), "4");  // with the test's own
    EXPECT_EQ(trainer->result("died_producers"), "1");
    EXPECT_NE(trainer->output().find("4 from elsewhere, 1 died"), std::string::npos);
    EXPECT_TRUE(trainer->sockets().empty());
}

TEST_F(ElsewhereTest, AProducerThatIsToldToGoIsNoLossAndTheNextOneGoesOn) {
    const std::string usual = usual_order();
    // However long it takes until the next one comes.
    const auto trainer =
        start_trainer({"--epochs", "2", "--producers", "0", "--linger", "1000000"});
    ASSERT_TRUE(trainer->wait_for_output("waiting for producers")) << trainer->output();
    Hold hold(sockets());
    const auto first = start_producer();
    const pid_t pid = first->pid();
    ASSERT_TRUE(wait_until_it_writes(pid)) << first->output();
    ASSERT_TRUE(wait_for(ProducerState::attached, pid));
    first->signal(SIGTERM);
    EXPECT_EQ(first->wait(), 143);
    EXPECT_NE(first->output().find("stopped by signal 15"), std::string::npos) << first->output();
    EXPECT_TRUE(wait_for(ProducerState::finished, pid));
    EXPECT_EQ(stats_of(kTrain, pid)->dropped, 0u);
    hold.release();  // nobody is left
    const auto next = start_producer();
    EXPECT_EQ(trainer->wait(), 0) << trainer->output();
    EXPECT_EQ(trainer->result("order_hash"), usual);
    EXPECT_EQ(trainer->result("lost"), "0");
    EXPECT_EQ(trainer->result("died_producers"), "0");
    EXPECT_EQ(trainer->output().find("producer 2 ("), std::string::npos) << trainer->output();
    EXPECT_NE(trainer->output().find("3 from elsewhere\n"), std::string::npos);
}

TEST_F(ElsewhereTest, ProducersWaitForTheTrainerUntilASignalComes) {
    for (const int signal : {SIGTERM, SIGINT}) {
        std::filesystem::remove_all(sockets());
        const auto producer = start_producer();
        // It makes the folder when it begins to look for the ring.
        ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(sockets()); }));
        producer->signal(signal);
        EXPECT_EQ(producer->wait(), 128 + signal);
        EXPECT_NE(producer->output().find("stopped by signal " + std::to_string(signal)),
                  std::string::npos)
            << producer->output();
    }
}

TEST_F(ElsewhereTest, ProducersDoNotWaitForEver) {
    const auto producer = start_producer({"--wait", "0.2"});
    EXPECT_EQ(producer->wait(), 1);
    EXPECT_NE(producer->output().find("waited 0.2 s (--wait)"), std::string::npos)
        << producer->output();
    EXPECT_NE(producer->output().find(sockets() + "/t-train.sock"), std::string::npos);
}

TEST_F(ElsewhereTest, TheTrainerWaitsForProducersUntilASignalComes) {
    const auto trainer = start_trainer({"--producers", "0"});
    ASSERT_TRUE(trainer->wait_for_output("waiting for producers")) << trainer->output();
    trainer->signal(SIGTERM);
    EXPECT_EQ(trainer->wait(), 143) << trainer->output();
    EXPECT_TRUE(trainer->sockets().empty());
}

TEST_F(ElsewhereTest, ASignalToTheTrainerEndsItsProducersInOrder) {
    const auto trainer = start_trainer({"--producers", "0", "--epochs", "1000000"});
    const auto producer = start_producer();
    ASSERT_TRUE(trainer->wait_for_output("epoch 1/")) << trainer->output();
    trainer->signal(SIGTERM);
    EXPECT_EQ(trainer->wait(), 143) << trainer->output();
    EXPECT_EQ(producer->wait(), 0) << producer->output();
    EXPECT_EQ(producer->output(), "");
}

TEST_F(ElsewhereTest, BothSidesHearThatTheirRecordingsDiffer) {
    const auto trainer =
        start_trainer({"--producers", "0", "--limit", "100", "--epochs", "1000000"});
    const auto producer = start_producer();
    EXPECT_EQ(trainer->wait(), 1);
    EXPECT_NE(trainer->output().find("give them the same --data and --limit"), std::string::npos)
        << trainer->output();
    EXPECT_EQ(producer->wait(), 1);
    EXPECT_NE(producer->output().find("trainer and producers have different recordings"),
              std::string::npos)
        << producer->output();
}

TEST_F(ElsewhereTest, TheTrainerGivesUpWhenTheLastProducerHasNoSuccessor) {
    const auto trainer = start_trainer({"--producers", "0", "--linger", "0.2"});
    ASSERT_TRUE(trainer->wait_for_output("waiting for producers")) << trainer->output();
    Hold(sockets()).release();
    EXPECT_EQ(trainer->wait(), 1);
    EXPECT_NE(trainer->output().find("none came within 200 ms"), std::string::npos)
        << trainer->output();
}

TEST_F(ElsewhereTest, ProducersRefuseBadOptionsByName) {
    const auto producer = start_producer({"--wait", "-1"});
    EXPECT_EQ(producer->wait(), 2);
    EXPECT_NE(producer->output().find("--wait: found -1, wanted 0 to 1e+06"), std::string::npos)
        << producer->output();
}

}  // namespace
