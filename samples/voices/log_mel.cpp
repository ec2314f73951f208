#include "log_mel.hpp"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <numbers>

namespace voices {
namespace {

// Added to each band's energy, so that digital silence has a logarithm. The rounding of 16-bit
// samples alone puts about 6e-9 into a bin: the floor lies above that noise, and below speech.
constexpr float kEnergyFloor = 1e-7f;

// A file with more is no recording of speech; the limit bounds what one file can make us allocate.
constexpr int kMaxChannels = 8;

double mel(double hz) {
    return 2595.0 * std::log10(1.0 + hz / 700.0);
}
double hz(double mel) {
    return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0);
}

// Edge 0 is 0 Hz, edge kBands + 1 the highest frequency there is; band b lies from edge b to b + 2.
double edge_hz(std::size_t edge) {
    return hz(mel(kSampleRate / 2.0) * static_cast<double>(edge) / (kBands + 1));
}

struct CloseFile {
    void operator()(SNDFILE* file) const { sf_close(file); }
};

// Averages the channels of `frames` interleaved frames in place.
void mix_down(std::span<float> samples, std::size_t channels, std::size_t frames) {
    for (std::size_t i = 0; i < frames; ++i) {
        float sum = 0;
        for (std::size_t c = 0; c < channels; ++c) sum += samples[i * channels + c];
        samples[i] = sum / static_cast<float>(channels);
    }
}

}  // namespace

LogMel::LogMel() : fft_(kiss_fftr_alloc(static_cast<int>(kFft), 0, nullptr, nullptr)) {
    if (fft_ == nullptr) throw std::bad_alloc();
    for (std::size_t i = 0; i < kWindow; ++i) {
        const double phase = 2.0 * std::numbers::pi * (static_cast<double>(i) + 0.5) / kWindow;
        window_[i] = static_cast<float>(0.5 - 0.5 * std::cos(phase));
    }
    constexpr double kBinHz = static_cast<double>(kSampleRate) / kFft;
    for (std::size_t band = 0; band < kBands; ++band) {
        const double low = edge_hz(band);
        const double peak = edge_hz(band + 1);
        const double high = edge_hz(band + 2);
        Triangle& triangle = triangles_[band];
        for (std::size_t bin = 0; bin < kBins; ++bin) {
            const double f = static_cast<double>(bin) * kBinHz;
            const double weight = std::min((f - low) / (peak - low), (high - f) / (high - peak));
            if (weight <= 0) continue;
            if (triangle.weights.empty()) triangle.first_bin = bin;
            triangle.weights.push_back(static_cast<float>(weight));
        }
    }
}

double LogMel::centre_hz(std::size_t band) {
    return edge_hz(band + 1);
}

// False when a band is not finite, which only numbers in a floating-point file can bring about.
bool LogMel::frame(std::span<const float, kWindow> samples, std::span<float, kBands> out) {
    for (std::size_t i = 0; i < kWindow; ++i) windowed_[i] = samples[i] * window_[i];
    kiss_fftr(fft_.get(), windowed_.data(), spectrum_.data());
    for (std::size_t bin = 0; bin < kBins; ++bin) {
        const kiss_fft_cpx value = spectrum_[bin];
        power_[bin] = value.r * value.r + value.i * value.i;
    }
    bool finite = true;
    for (std::size_t band = 0; band < kBands; ++band) {
        const Triangle& triangle = triangles_[band];
        float energy = kEnergyFloor;
        for (std::size_t i = 0; i < triangle.weights.size(); ++i) {
            energy += triangle.weights[i] * power_[triangle.first_bin + i];
        }
        finite = finite && std::isfinite(energy);
        out[band] = std::log(energy);
    }
    return finite;
}

Reading LogMel::transform(std::span<const float> samples, std::span<float> out) {
    const std::size_t room = out.size() / kBands;
    const std::size_t found = samples.size() < kWindow ? 0 : 1 + (samples.size() - kWindow) / kStep;
    Reading reading{.frames = std::min(found, room), .cut = found > room, .error = {}};
    for (std::size_t i = 0; i < reading.frames; ++i) {
        const bool finite = frame(samples.subspan(i * kStep).first<kWindow>(),
                                  out.subspan(i * kBands).first<kBands>());
        if (!finite) return {.frames = 0, .cut = false, .error = "a sample is not a finite number"};
    }
    return reading;
}

Reading LogMel::read(const std::filesystem::path& path, std::span<float> out) {
    const auto failed = [](std::string why) {
        return Reading{.frames = 0, .cut = false, .error = std::move(why)};
    };
    SF_INFO info{};
    const std::unique_ptr<SNDFILE, CloseFile> file(sf_open(path.c_str(), SFM_READ, &info));
    if (file == nullptr) return failed(sf_strerror(nullptr));
    if (info.samplerate != kSampleRate) {
        return failed(std::to_string(info.samplerate) + " Hz, wanted " +
                      std::to_string(kSampleRate) + " Hz");
    }
    if (info.channels < 1 || info.channels > kMaxChannels) {
        return failed(std::to_string(info.channels) + " channels, wanted 1 to " +
                      std::to_string(kMaxChannels));
    }
    // One step more than fits, to see whether there is more; what is read counts, not what the
    // header says, for a file may be shorter.
    const std::size_t wanted = kWindow + kStep * (out.size() / kBands);
    const auto channels = static_cast<std::size_t>(info.channels);
    samples_.resize(std::max(samples_.size(), wanted * channels));
    const sf_count_t got =
        sf_readf_float(file.get(), samples_.data(), static_cast<sf_count_t>(wanted));
    if (got < 0 || sf_error(file.get()) != SF_ERR_NO_ERROR) return failed(sf_strerror(file.get()));
    const auto frames = static_cast<std::size_t>(got);
    if (channels > 1) mix_down(samples_, channels, frames);
    return transform(std::span(samples_).first(frames), out);
}

}  // namespace voices
