// A checkpoint: everything that a run needs to go on as if it had never stopped, in one file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "curve.hpp"
#include "exam.hpp"
#include "headrace/state.hpp"
#include "learner.hpp"

namespace words {

/// What must be the same when a run is resumed, or it would be another run: names (of options,
/// mostly) and values.
using Settings = std::vector<std::pair<std::string, std::string>>;

/// Where a run stands, but for its tensors.
struct Place {
    std::uint64_t epoch = 0;         ///< epochs that are over, exam and all
    std::uint64_t step = 0;          ///< steps made in the one after them
    std::int64_t learner_steps = 0;  ///< Learner::steps()
    headrace::State train = {};      ///< of the loader that is learned from
    headrace::State held_out = {};   ///< of the loader of the exams
    Curve curve = {};                ///< of the epochs that are over
    Exam exam = {};                  ///< the last one
    bool operator==(const Place&) const = default;
};

struct Checkpoint {
    Settings settings;
    Place place;
    NamedTensors tensors;
};

/// Writes one LibTorch archive (torch::serialize), as write_sealed() does. Tensors on a GPU are
/// waited for. Throws what that throws.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

/// The tensors are on the host. Throws as read_sealed(), and std::runtime_error when LibTorch
/// cannot read what is in the file.
Checkpoint read_checkpoint(const std::filesystem::path& path);

/// Throws std::runtime_error that names the first setting that is another one, with both values.
void expect_settings(const Checkpoint& checkpoint, const Settings& wanted);

/// Copies the checkpoint's tensors into those of the same names, which keep their devices. Throws
/// std::runtime_error when one is missing or of another shape or type; some are then written to.
void restore(const Checkpoint& checkpoint, const NamedTensors& targets);

}  // namespace words
