// The whole of it: the trainer and its producers, as processes, on recordings made for the purpose.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "recordings.hpp"
#include "sound_files.hpp"
#include "trainer_program.hpp"

namespace {

using voices_test::Program;
using voices_test::TemporaryFolder;

constexpr std::size_t kPrompts = 40;

class RunTest : public testing::Test {
  protected:
    RunTest() { voices_test::write_languages(data(), kPrompts); }
    std::filesystem::path data() const { return folder_.path() / "data"; }
    const std::filesystem::path& folder() const { return folder_.path(); }

    // Runs to the end and returns the hash over the order of the batches.
    std::string order_of(const std::vector<std::string>& options) {
        Program program(folder(), data(), options);
        EXPECT_EQ(program.wait(), 0) << program.output();
        EXPECT_EQ(program.result("lost"), "0");
        EXPECT_TRUE(program.wait_for_no_producers());
        EXPECT_TRUE(program.sockets().empty());
        return program.result("order_hash");
    }

  private:
    TemporaryFolder folder_;
};

// Long enough that a test can do something to it while it runs.
const std::vector<std::string> kEndless{"--epochs", "1000000", "--batch", "8"};

TEST_F(RunTest, HasTheSameOrderWhateverTheNumberOfProducers) {
    const std::string one = order_of({"--epochs", "1", "--producers", "1"});
    EXPECT_EQ(one.size(), 18u);  // sixteen digits and the quotation marks
    EXPECT_EQ(order_of({"--epochs", "1", "--producers", "3"}), one);
    EXPECT_NE(order_of({"--epochs", "1", "--producers", "1", "--seed", "8"}), one);
}

TEST_F(RunTest, ReplacesProducersThatAreKilledAndLosesNothing) {
    const std::vector<std::string> options{"--epochs", "30", "--producers", "3"};
    const std::string undisturbed = order_of(options);
    Program program(folder(), data(), options);
    ASSERT_TRUE(program.wait_for_output("epoch 1/")) << program.output();
    const std::vector<pid_t> producers = program.producers();
    ASSERT_GE(producers.size(), 2u) << program.output();
    kill(producers[0], SIGKILL);
    kill(producers[1], SIGKILL);
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_EQ(program.result("lost"), "0");
    EXPECT_EQ(program.result("replaced_producers"), "2");
    EXPECT_EQ(program.result("order_hash"), undisturbed);
    EXPECT_NE(program.output().find("was killed by signal 9"), std::string::npos);
}

TEST_F(RunTest, CountsWhatIsCutAndNamesWhatIsLost) {
    // One second of capacity: recordings of 1.5 seconds, of none, and two that are no recordings.
    voices_test::write_wav(data() / "en_one" / "long.wav", voices_test::sine(200, 12'000));
    voices_test::write_wav(data() / "ru_five" / "empty.wav", {});
    voices_test::write_text(data() / "fr_three" / "broken-1.wav", "no sound");
    voices_test::write_wav(data() / "it_four" / "fast.wav", voices_test::sine(200, 999), 16'000);
    const int times = voices::is_held_out("fast.wav") ? 1 : 2;
    const int broken_times = voices::is_held_out("broken-1.wav") ? 1 : 2;
    Program program(folder(), data(),
                    {"--epochs", "2", "--capacity-seconds", "1", "--producers", "2"});
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_EQ(program.result("cut"), "1");
    EXPECT_EQ(program.result("lost"), std::to_string(times + broken_times));
    const std::string losses = program.result("losses");
    EXPECT_NE(losses.find("fr_three/broken-1.wav"), std::string::npos) << losses;
    EXPECT_NE(losses.find("16000 Hz, wanted 8000 Hz"), std::string::npos) << losses;
}

TEST_F(RunTest, LearnsToTellTonesApart) {
    Program program(folder(), data(), {"--epochs", "10", "--producers", "2", "--batch", "16"});
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_GT(std::stod(program.result("accuracy")), 0.9) << program.output();
}

TEST_F(RunTest, LeavesNothingBehindAfterCtrlC) {
    Program program(folder(), data(), kEndless);
    ASSERT_TRUE(program.wait_for_output("epoch 1/")) << program.output();
    ASSERT_FALSE(program.sockets().empty());
    program.signal_group(SIGINT);
    EXPECT_EQ(program.wait(), 130) << program.output();
    // None that must still be waited for: the trainer waits for its producers.
    EXPECT_TRUE(program.producers().empty());
    EXPECT_TRUE(program.sockets().empty());
}

TEST_F(RunTest, EndsByTermWhileAProducerIsStopped) {
    Program program(folder(), data(), kEndless);
    ASSERT_TRUE(program.wait_for_output("epoch 1/")) << program.output();
    const std::vector<pid_t> producers = program.producers();
    ASSERT_FALSE(producers.empty());
    kill(producers[0], SIGSTOP);
    program.signal(SIGTERM);
    EXPECT_EQ(program.wait(), 143) << program.output();
    EXPECT_TRUE(program.producers().empty());
    EXPECT_TRUE(program.sockets().empty());
}

TEST_F(RunTest, EndsAllProducersWhenTheTrainerIsKilled) {
    Program program(folder(), data(), kEndless);
    ASSERT_TRUE(program.wait_for_output("epoch 1/")) << program.output();
    ASSERT_FALSE(program.producers().empty());
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait(), 137);
    EXPECT_TRUE(program.wait_for_no_producers()) << program.output();
    EXPECT_NE(program.output().find("voices_producer: "), std::string::npos) << program.output();
}

TEST_F(RunTest, RefusesBadOptionsByName) {
    Program program(folder(), data(), {"--context", "4"});
    EXPECT_EQ(program.wait(), 2);
    EXPECT_NE(program.output().find("--context: found 4, wanted an odd number"), std::string::npos)
        << program.output();
}

TEST_F(RunTest, NamesTheDeviceFirst) {
    Program program(folder(), data(), {"--epochs", "1", "--device", "host", "--producers", "1"});
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_TRUE(program.output().starts_with("host: ")) << program.output();
    EXPECT_EQ(program.result("device"), "\"host\"");
    Program other(folder(), data(), {"--device", "nowhere"});
    EXPECT_EQ(other.wait(), 2);
    EXPECT_NE(other.output().find("--device: device \"nowhere\", wanted host"), std::string::npos)
        << other.output();
}

TEST_F(RunTest, NamesTheFolderWithoutRecordings) {
    Program program(folder(), folder() / "nowhere", {});
    EXPECT_EQ(program.wait(), 1);
    EXPECT_NE(program.output().find("nowhere"), std::string::npos) << program.output();
    EXPECT_NE(program.output().find("asterisk-core-sounds"), std::string::npos);
}

TEST(RealRecordingsTest, GoThroughTheRing) {
    const std::filesystem::path data = "/usr/share/asterisk/sounds";
    try {
        voices::list_recordings(data);
    } catch (const std::runtime_error& error) {
        GTEST_SKIP() << error.what();
    }
    const TemporaryFolder folder;
    Program program(folder.path(), data, {"--limit", "200", "--epochs", "1", "--producers", "2"});
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_EQ(program.result("lost"), "0");
    EXPECT_GT(std::stod(program.result("padding_share")), 0.5);
}

}  // namespace
