// The whole of it: the trainer and its producers, as processes, on word lists made for the purpose.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "checkpoint.hpp"
#include "launch/program.hpp"
#include "torch_trainer/word_files.hpp"
#include "word_lists.hpp"

namespace {

using words_test::TemporaryFolder;
using Words = std::vector<std::string>;

class Program : public samples_test::Program {
  public:
    Program(const std::filesystem::path& folder, const Words& options)
        : samples_test::Program(folder, command(folder, options), "words_producer") {}

  private:
    static Words command(const std::filesystem::path& folder, const Words& options) {
        Words command{HEADRACE_TEST_TORCH_TRAINER, "--results", (folder / "results.json").string()};
        command.insert(command.end(), options.begin(), options.end());
        return command;
    }
};

// 5 lists of 80 words, some 360 of which are trained on: 45 steps an epoch.
class TrainerTest : public testing::Test {
  protected:
    TrainerTest() { words_test::write_word_lists(lists(), 80); }
    const std::filesystem::path& folder() const { return folder_.path(); }
    std::filesystem::path lists() const { return folder() / "lists"; }
    std::filesystem::path file(const std::string& name) const { return folder() / name; }

    // Options that all runs have; `more` may not repeat them.
    Words options(const Words& more) const {
        Words all{"--device", "host", "--batch", "8", "--lists", lists().string()};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    // Runs it to its end in order.
    void run(const Words& more) {
        Program program(folder(), options(more));
        EXPECT_EQ(program.wait(), 0) << program.output();
        EXPECT_TRUE(program.wait_for_no_producers());
        EXPECT_TRUE(program.sockets().empty());
        output_ = program.output();
    }
    // Ends an endless run by `signal` once it has written a checkpoint, and returns with the exit
    // status. `epochs` becomes a number of epochs that it has not come to.
    std::optional<int> interrupt(const std::string& checkpoint, int signal, std::string& epochs) {
        Program program(folder(), options({"--epochs", "1000000", "--every", "7", "--checkpoint",
                                           file(checkpoint).string()}));
        EXPECT_TRUE(program.wait_for_file(file(checkpoint))) << program.output();
        program.signal(signal);
        const auto status = program.wait();
        EXPECT_TRUE(program.wait_for_no_producers()) << program.output();
        output_ = program.output();
        const words::Place place = words::read_checkpoint(file(checkpoint)).place;
        epochs = std::to_string(place.epoch + 2);
        return status;
    }
    void expect_equal(const std::string& left, const std::string& right) {
        const words::Checkpoint one = words::read_checkpoint(file(left));
        const words::Checkpoint other = words::read_checkpoint(file(right));
        EXPECT_EQ(one.place, other.place);
        EXPECT_EQ(words::to_tsv(one.place.curve), words::to_tsv(other.place.curve));
        ASSERT_EQ(one.tensors.size(), other.tensors.size());
        EXPECT_GT(one.tensors.size(), 15u);
        for (const auto& tensor : one.tensors) {
            const auto same = [&](const auto& it) { return it.first == tensor.first; };
            const auto found = std::find_if(other.tensors.begin(), other.tensors.end(), same);
            ASSERT_NE(found, other.tensors.end()) << tensor.first;
            EXPECT_EQ(tensor.second.sizes(), found->second.sizes());
            EXPECT_EQ(words::hash_of({tensor}), words::hash_of({*found})) << tensor.first;
        }
    }

    std::string output_;

  private:
    TemporaryFolder folder_;
};

TEST_F(TrainerTest, ResumedAnywhereEndsAsIfItHadNeverStopped) {
    run({"--epochs", "2", "--checkpoint", file("whole").string()});
    // Three runs; the second one is over an epoch's end.
    for (const char* const steps : {"10", "60", "0"}) {
        run({"--epochs", "2", "--every", "7", "--steps", steps, "--resume", "--checkpoint",
             file("parts").string()});
    }
    EXPECT_NE(output_.find("going on after step 70"), std::string::npos) << output_;
    expect_equal("whole", "parts");
}

TEST_F(TrainerTest, KilledInTheMiddleItGoesOnFromItsLastCheckpoint) {
    std::string epochs;
    EXPECT_EQ(interrupt("killed", SIGKILL, epochs), 137);
    std::filesystem::remove_all(folder() / "sockets");  // nobody could take them away
    run({"--epochs", epochs, "--resume", "--checkpoint", file("killed").string()});
    run({"--epochs", epochs, "--checkpoint", file("whole").string()});
    expect_equal("whole", "killed");
}

TEST_F(TrainerTest, AskedToEndItLeavesACheckpointAndNothingElse) {
    std::string epochs;
    EXPECT_EQ(interrupt("ended", SIGINT, epochs), 130);
    EXPECT_TRUE(std::filesystem::is_empty(folder() / "sockets"));
    run({"--epochs", epochs, "--resume", "--checkpoint", file("ended").string()});
    run({"--epochs", epochs, "--checkpoint", file("whole").string()});
    expect_equal("whole", "ended");
}

TEST_F(TrainerTest, IsTheSameForAnyNumberOfProducersAndWithTensorsOfItsOwn) {
    run({"--epochs", "1", "--checkpoint", file("one").string(), "--producers", "1"});
    run({"--epochs", "1", "--checkpoint", file("three").string(), "--producers", "3", "--owned",
         "--slots", "40", "--depth", "4"});
    expect_equal("one", "three");
}

TEST_F(TrainerTest, ReplacesAProducerThatIsKilled) {
    Program program(folder(), options({"--epochs", "1000000", "--checkpoint", file("run").string(),
                                       "--every", "7"}));
    ASSERT_TRUE(program.wait_for_file(file("run"))) << program.output();
    const std::vector<pid_t> producers = program.producers();
    ASSERT_FALSE(producers.empty());
    kill(producers[0], SIGKILL);
    EXPECT_TRUE(program.wait_for_output("another one takes its place")) << program.output();
    program.signal(SIGTERM);
    EXPECT_EQ(program.wait(), 143) << program.output();
    EXPECT_TRUE(program.producers().empty());
}

TEST_F(TrainerTest, LearnsToTellItsLanguagesApart) {
    Program program(folder(), options({"--epochs", "3", "--curve", file("curve.svg").string()}));
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_GT(std::stod(program.result("accuracy")), 0.9) << program.output();
    EXPECT_EQ(program.result("lost"), "0");
    EXPECT_EQ(program.result("epochs"), "3");
    EXPECT_GT(std::stod(program.result("padding_share")), 0.5);
    EXPECT_EQ(program.result("model_hash").size(), 18u);  // sixteen digits, quotation marks
    EXPECT_TRUE(std::filesystem::exists(file("curve.tsv")));
    const bool no_gnuplot = program.output().find("gnuplot is not there") != std::string::npos;
    EXPECT_NE(std::filesystem::exists(file("curve.svg")), no_gnuplot) << program.output();
}

TEST_F(TrainerTest, SaysWhatItCannotStartFrom) {
    const auto refusal = [&](const Words& more) {
        Program program(folder(), more);
        EXPECT_EQ(program.wait(), 1) << program.output();
        return program.output();
    };
    const auto contains = [](const std::string& text, const std::string& part) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    contains(refusal({"--lists", file("nowhere").string()}),
             "torch_trainer: no word list american-english, french, ngerman, italian, spanish in ");
    words_test::write_file(file("foreign"), "no checkpoint");
    contains(refusal(options({"--resume", "--checkpoint", file("foreign").string()})),
             "foreign: found a foreign file");
    run({"--epochs", "1", "--steps", "1", "--checkpoint", file("run").string()});
    contains(refusal(options({"--resume", "--checkpoint", file("run").string(), "--seed", "8"})),
             "the checkpoint is of a run with --seed 7, this one has 8");
    words_test::write_word_lists(lists(), 79);
    contains(refusal(options({"--resume", "--checkpoint", file("run").string()})),
             "the checkpoint is of a run with word lists of the fingerprint");
    words_test::write_word_lists(lists(), 1);
    contains(refusal(options({})), "held out, wanted some of both: raise --words");
}

TEST_F(TrainerTest, HasNoProducerWithOtherLists) {
    const auto producer =
        std::filesystem::path(HEADRACE_TEST_TORCH_TRAINER).parent_path() / "words_producer";
    samples_test::Program program(folder(),
                                  {producer.string(), "--train", "no-ring", "--lists",
                                   lists().string(), "--fingerprint", "1"},
                                  "words_producer");
    EXPECT_EQ(program.wait(), 1);
    EXPECT_NE(program.output().find("wanted 1: they have changed"), std::string::npos)
        << program.output();
}

TEST(RealWordListsRunTest, GoThroughTheRing) {
    try {
        words::read_word_lists(words::kDebianLists, 1);
    } catch (const std::runtime_error& error) {
        GTEST_SKIP() << error.what();
    }
    const TemporaryFolder folder;
    Program program(folder.path(),
                    {"--device", "host", "--words", "1000", "--epochs", "1", "--producers", "1"});
    EXPECT_EQ(program.wait(), 0) << program.output();
    EXPECT_EQ(program.result("lost"), "0");
    EXPECT_GT(std::stod(program.result("accuracy")), 0.3);  // chance: 0.2
}

}  // namespace
