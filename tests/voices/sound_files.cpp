#include "sound_files.hpp"

#include <sndfile.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <stdexcept>

namespace voices_test {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::vector<float>& samples, int rate, int channels,
           int subtype) {
    fs::create_directories(path.parent_path());
    SF_INFO info{};
    info.samplerate = rate;
    info.channels = channels;
    info.format = SF_FORMAT_WAV | subtype;
    SNDFILE* const file = sf_open(path.c_str(), SFM_WRITE, &info);
    if (file == nullptr) throw std::runtime_error(path.string() + ": " + sf_strerror(nullptr));
    const auto count = static_cast<sf_count_t>(samples.size());
    const bool complete = sf_write_float(file, samples.data(), count) == count;
    if (sf_close(file) != 0 || !complete) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

std::vector<float> sine(double hz, std::size_t samples, int rate) {
    std::vector<float> out(samples);
    for (std::size_t i = 0; i < samples; ++i) {
        const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate;
        out[i] = static_cast<float>(0.5 * std::sin(phase));
    }
    return out;
}

void write_wav(const fs::path& path, const std::vector<float>& samples, int rate, int channels) {
    write(path, samples, rate, channels, SF_FORMAT_PCM_16);
}

void write_float_wav(const fs::path& path, const std::vector<float>& samples) {
    write(path, samples, 8000, 1, SF_FORMAT_FLOAT);
}

void write_text(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

void write_languages(const fs::path& folder, std::size_t prompts) {
    double hz = 200;
    for (const char* language : {"en_one", "es_two", "fr_three", "it_four", "ru_five"}) {
        for (std::size_t i = 0; i < prompts; ++i) {
            const std::string name = "p" + std::to_string(i) + ".wav";
            const fs::path inside = i % 3 == 0 ? fs::path("in_folder") / name : fs::path(name);
            write_wav(folder / language / inside,
                      sine(hz + static_cast<double>(i), 800 + 80 * (i % 7)));
        }
        hz *= 1.6;
    }
}

}  // namespace voices_test
