// torch_distributed: one rank of a data-parallel training over LibTorch's process groups. Start as
// many as you like with mpirun or torchrun. See README.md beside this file.
#include <torch/cuda.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "headrace/device.hpp"
#include "headrace/error.hpp"
#include "headrace/loader.hpp"
#include "headrace/rank.hpp"
#include "headrace/ring.hpp"
#include "launch/processes.hpp"
#include "launch/progress.hpp"
#include "launch/session.hpp"
#include "launch/stop.hpp"
#include "launch/text.hpp"
#include "options.hpp"
#include "process_group.hpp"
#include "producer_command.hpp"
#include "rank_run.hpp"
#include "record.hpp"
#include "word_lists.hpp"

namespace {

constexpr std::uint32_t kBatchesOfSlots = 4;
constexpr std::size_t kTrain = 0;  // places of the rings in the session
constexpr std::size_t kHeldOut = 1;

// A GPU for each rank, by its number on the machine. All ranks must come to the same answer, so the
// best device is a GPU only where this machine has one for every rank there is; on several machines
// it has to be asked for.
headrace::Device find_device(const std::string& name, const headrace::Rank& rank) {
    const bool has_gpus = headrace::Device::has_cuda() && distributed::has_nccl() &&
                          rank.world_size <= torch::cuda::device_count();
    if (name == "cuda" || (name == "best" && has_gpus)) {
        return headrace::Device::cuda(static_cast<int>(rank.local_rank));
    }
    return headrace::Device::host();
}

// Every rank has a ring of its own, and producers that write this rank's share of the words.
std::vector<headrace::Ring> make_rings(const distributed::Options& options,
                                       const headrace::Rank& rank, const words::WordLists& lists,
                                       const distributed::RankRun& run,
                                       samples::Progress& progress) {
    headrace::RingOptions train;
    train.name = "distributed-" + std::to_string(getpid()) + "-train";
    train.schema = words::record_schema();
    train.slots = kBatchesOfSlots * options.batch;
    train.directory = options.directory;
    train.on_message = samples::say_messages(progress);
    train.epoch_records = lists.train.size();
    train.epochs = options.epochs;
    train.shuffle_seed = options.seed;
    train.rank = rank.rank;
    train.world_size = rank.world_size;
    train.remainder = options.remainder;
    if (run.is_resumed()) train.resume = run.state();
    std::vector<headrace::Ring> rings;
    rings.push_back(headrace::Ring::create(train));
    if (rank.rank != 0) return rings;
    headrace::RingOptions held_out;
    held_out.name = "distributed-" + std::to_string(getpid()) + "-held-out";
    held_out.schema = train.schema;
    held_out.slots = train.slots;
    held_out.directory = train.directory;
    held_out.on_message = train.on_message;
    held_out.epoch_records = lists.held_out.size();
    held_out.epochs = 1;
    rings.push_back(headrace::Ring::create(held_out));
    return rings;
}

std::vector<std::string> producer_command(const distributed::Options& options,
                                          const words::WordLists& lists,
                                          const std::vector<headrace::Ring>& rings) {
    return words::producer_command(
        samples::program_beside_this("words_producer"), lists,
        {.folder = options.lists,
         .limit = options.words,
         .directory = options.directory,
         .train = rings[kTrain].name(),
         .held_out = rings.size() > kHeldOut ? rings[kHeldOut].name() : ""});
}

void report(const distributed::Options& options, const headrace::Rank& rank,
            const distributed::RankRun& run, const words::Exam& exam, const std::string& verdict,
            samples::Progress& progress) {
    const double rate =
        run.train_seconds() > 0 ? static_cast<double>(run.records()) / run.train_seconds() : 0;
    progress.line(samples::format("held out  %llu words  right %.1f %%  |  %.0f words/s in all",
                                  static_cast<unsigned long long>(exam.words()),
                                  100 * exam.accuracy(), rate));
    progress.line("rank 0: " + verdict);
    if (options.results.empty()) return;
    const nlohmann::json results{{"accuracy", exam.accuracy()}, {"words_per_s", rate},
                                 {"words", run.records()},      {"steps", run.steps()},
                                 {"ranks", rank.world_size},    {"batch", options.batch},
                                 {"found_by", rank.source},     {"verdict", verdict}};
    samples::write_text(options.results, results.dump(2) + "\n");
}

int run(const distributed::Options& options) {
    samples::Stop stop;
    const headrace::Rank rank = headrace::find_rank(options.rank);
    samples::Progress progress("torch_distributed, rank " + std::to_string(rank.rank),
                               rank.rank != 0);
    const headrace::Device device = find_device(options.device, rank);
    const words::WordLists lists = words::read_word_lists(options.lists, options.words);
    const auto group = distributed::join(rank, device, options.store);
    progress.line(std::to_string(rank.world_size) + " ranks (" + rank.source + "), " +
                  device.name() + ": " + std::to_string(lists.train.size()) +
                  " words to train on, " + std::to_string(lists.held_out.size()) + " held out");
    distributed::RankRun run(options, rank, lists, device, *group, progress);
    if (options.resume) run.resume();
    auto rings = make_rings(options, rank, lists, run, progress);
    auto command = producer_command(options, lists, rings);
    samples::Session session(std::move(rings), std::move(command), options.producers, progress,
                             stop);
    const auto look_around = [&session] { session.look_after(); };
    std::string verdict;
    {
        headrace::Loader loader(session.ring(kTrain), {.batch = options.batch, .device = device});
        run.run(loader, *session.ring(kTrain).sampler(), look_around);
        verdict = loader.stats().verdict();
    }
    if (rank.rank != 0) return 0;
    headrace::Loader held_out(session.ring(kHeldOut), {.batch = options.batch, .device = device});
    const words::Exam exam = run.examine(held_out, look_around);
    report(options, rank, run, exam, verdict, progress);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return samples::run_main("torch_distributed", [&] {
        try {
            const auto options = distributed::parse_options(argc, argv);
            return options ? run(*options) : 0;
        } catch (const headrace::UsageError& error) {  // of the rank, and of how the ranks meet
            throw samples::OptionError(error.what());
        }
    });
}
