#include "checkpoint.hpp"

#include <ATen/ops/tensor.h>
#include <torch/serialize/input-archive.h>
#include <torch/serialize/output-archive.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "headrace/error.hpp"
#include "sealed_file.hpp"

namespace words {
namespace {

using torch::serialize::InputArchive;
using torch::serialize::OutputArchive;

constexpr std::int64_t kCurveColumns = 5;

std::int64_t as_signed(std::uint64_t number) {
    return static_cast<std::int64_t>(number);
}
std::uint64_t as_unsigned(std::int64_t number) {
    return static_cast<std::uint64_t>(number);
}

// A number that is not there is NaN.
at::Tensor to_tensor(const Curve& curve) {
    const auto or_nan = [](const std::optional<double>& value) {
        return value.value_or(std::numeric_limits<double>::quiet_NaN());
    };
    std::vector<double> numbers;
    for (const CurvePoint& point : curve) {
        numbers.insert(numbers.end(), {static_cast<double>(point.step), point.loss, point.right,
                                       or_nan(point.held_out_loss), or_nan(point.held_out_right)});
    }
    return at::tensor(numbers, at::kDouble).view({-1, kCurveColumns});
}

Curve to_curve(const at::Tensor& tensor) {
    const auto or_none = [](double value) {
        return value == value ? std::optional(value) : std::nullopt;
    };
    const at::Tensor numbers = tensor.to(at::kDouble).contiguous();
    Curve curve;
    for (std::int64_t row = 0; row < numbers.size(0); ++row) {
        const double* const number = numbers.data_ptr<double>() + row * kCurveColumns;
        curve.push_back({.step = static_cast<std::uint64_t>(number[0]),
                         .loss = number[1],
                         .right = number[2],
                         .held_out_loss = or_none(number[3]),
                         .held_out_right = or_none(number[4])});
    }
    return curve;
}

at::Tensor to_tensor(const Confusion& confusion) {
    std::vector<std::int64_t> counts;
    for (const auto& row : confusion) {
        std::transform(row.begin(), row.end(), std::back_inserter(counts), as_signed);
    }
    return at::tensor(counts, at::kLong);
}

Confusion to_confusion(const at::Tensor& tensor) {
    Confusion confusion{};
    std::int64_t at = 0;
    for (auto& row : confusion) {
        for (std::uint64_t& count : row) count = as_unsigned(tensor[at++].item<std::int64_t>());
    }
    return confusion;
}

std::string to_lines(const Settings& settings) {
    std::string text;
    for (const auto& [name, value] : settings) text += name + '=' + value + '\n';
    return text;
}

Settings to_settings(const std::string& lines) {
    Settings settings;
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) {
        const std::size_t sign = line.find('=');
        settings.emplace_back(line.substr(0, sign), line.substr(sign + 1));
    }
    return settings;
}

void write(OutputArchive& archive, const Place& place) {
    archive.write("epoch", c10::IValue(as_signed(place.epoch)));
    archive.write("step", c10::IValue(as_signed(place.step)));
    archive.write("learner_steps", c10::IValue(place.learner_steps));
    archive.write("train", c10::IValue(place.train.to_json()));
    archive.write("held_out", c10::IValue(place.held_out.to_json()));
    archive.write("curve", to_tensor(place.curve));
    archive.write("exam_loss", c10::IValue(place.exam.loss));
    archive.write("exam_confusion", to_tensor(place.exam.confusion));
}

c10::IValue value(InputArchive& archive, const std::string& key) {
    c10::IValue found;
    archive.read(key, found);
    return found;
}

at::Tensor tensor(InputArchive& archive, const std::string& key) {
    at::Tensor found;
    archive.read(key, found);
    return found;
}

Place read_place(InputArchive& archive) {
    return {.epoch = as_unsigned(value(archive, "epoch").toInt()),
            .step = as_unsigned(value(archive, "step").toInt()),
            .learner_steps = value(archive, "learner_steps").toInt(),
            .train = headrace::State::from_json(value(archive, "train").toStringRef()),
            .held_out = headrace::State::from_json(value(archive, "held_out").toStringRef()),
            .curve = to_curve(tensor(archive, "curve")),
            .exam = {.confusion = to_confusion(tensor(archive, "exam_confusion")),
                     .loss = value(archive, "exam_loss").toDouble()}};
}

Checkpoint parse(const std::string& bytes) {
    InputArchive archive;
    archive.load_from(bytes.data(), bytes.size(), at::Device(at::kCPU));
    InputArchive tensors;
    archive.read("tensors", tensors);
    Checkpoint checkpoint{.settings = to_settings(value(archive, "settings").toStringRef()),
                          .place = read_place(archive),
                          .tensors = {}};
    for (const std::string& name : tensors.keys()) {
        checkpoint.tensors.emplace_back(name, tensor(tensors, name).detach());
    }
    return checkpoint;
}

std::string shape_of(const at::Tensor& tensor) {
    std::ostringstream text;
    text << tensor.scalar_type() << tensor.sizes();
    return text.str();
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
    OutputArchive archive;
    archive.write("settings", c10::IValue(to_lines(checkpoint.settings)));
    write(archive, checkpoint.place);
    OutputArchive tensors(archive.compilation_unit());
    for (const auto& [name, tensor] : checkpoint.tensors) tensors.write(name, tensor.cpu(), true);
    archive.write("tensors", tensors);
    std::string bytes;
    archive.save_to([&bytes](const void* data, std::size_t size) {
        bytes.append(static_cast<const char*>(data), size);
        return size;
    });
    write_sealed(path, std::move(bytes));
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
    const std::string bytes = read_sealed(path);
    try {
        return parse(bytes);
    } catch (const c10::Error& error) {
        throw std::runtime_error("checkpoint " + path.string() + ": LibTorch cannot read it (" +
                                 std::string(error.what_without_backtrace()) +
                                 "); was it written by another version of this program?");
    }
}

void expect_settings(const Checkpoint& checkpoint, const Settings& wanted) {
    for (const auto& [name, value] : wanted) {
        const auto found =
            std::find_if(checkpoint.settings.begin(), checkpoint.settings.end(),
                         [&name = name](const auto& setting) { return setting.first == name; });
        const bool is_there = found != checkpoint.settings.end();
        if (is_there && found->second == value) continue;
        throw std::runtime_error("the checkpoint is of a run with " + name + " " +
                                 (is_there ? found->second : std::string("unknown")) +
                                 ", this one has " + value +
                                 "; resume it with the same, or start another run");
    }
}

void restore(const Checkpoint& checkpoint, const NamedTensors& targets) {
    for (const auto& [name, target] : targets) {
        const auto found =
            std::find_if(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                         [&name = name](const auto& tensor) { return tensor.first == name; });
        const bool is_there = found != checkpoint.tensors.end();
        if (!is_there || found->second.sizes() != target.sizes() ||
            found->second.scalar_type() != target.scalar_type()) {
            throw std::runtime_error("the checkpoint's tensor " + name + ": found " +
                                     (is_there ? shape_of(found->second) : std::string("none")) +
                                     ", wanted " + shape_of(target));
        }
        at::Tensor(target).copy_(found->second);
    }
}

}  // namespace words
