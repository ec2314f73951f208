// From a WAV file to log-mel frames, written straight to where they are wanted.
#pragma once

#include <kiss_fftr.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace voices {

inline constexpr int kSampleRate = 8000;
inline constexpr std::size_t kWindow = 200;  ///< samples: 25 ms
inline constexpr std::size_t kStep = 80;     ///< samples: 10 ms
inline constexpr std::size_t kFft = 256;     ///< samples: the next power of two over a window
inline constexpr std::size_t kBands = 40;
inline constexpr std::size_t kFramesPerSecond = kSampleRate / kStep;

/// What became of a file. `error` is empty when it was read.
struct Reading {
    std::size_t frames = 0;
    bool cut = false;  ///< the file holds more frames than there was room for
    std::string error;
};

/// Computes log-mel frames. Holds its tables and buffers, so that a file costs no allocation but
/// libsndfile's own and the first growth of the sample buffer. One thread at a time.
///
/// A frame is a Hann window of kWindow samples, kStep after the one before, wholly inside the
/// recording: n samples make 1 + (n - kWindow) / kStep frames, none below kWindow. Its power
/// spectrum is weighted by kBands triangles that are evenly spaced from 0 to kSampleRate / 2 on the
/// mel scale mel(f) = 2595 log10(1 + f / 700) (Young et al., The HTK Book, "Filterbank Analysis"),
/// and the natural logarithm of each sum is taken. Samples are in [-1, 1].
class LogMel {
  public:
    LogMel();

    /// Reads `path` and writes its frames to `out`, row-major [frames, kBands], as many whole rows
    /// as fit. Several channels are mixed down. A file that cannot be read, is of another sample
    /// rate, or holds a number that is not finite is a Reading with an error; `out` is then
    /// unspecified. Throws only std::bad_alloc.
    Reading read(const std::filesystem::path& path, std::span<float> out);

    /// The same for samples at kSampleRate that are in memory already.
    Reading transform(std::span<const float> samples, std::span<float> out);

    /// Where the triangle of `band` has its peak.
    static double centre_hz(std::size_t band);

  private:
    static constexpr std::size_t kBins = kFft / 2 + 1;
    struct FreeFft {
        void operator()(kiss_fftr_state* state) const { kiss_fftr_free(state); }
    };
    struct Triangle {
        std::size_t first_bin = 0;
        std::vector<float> weights;
    };
    bool frame(std::span<const float, kWindow> samples, std::span<float, kBands> out);

    std::unique_ptr<kiss_fftr_state, FreeFft> fft_;
    std::array<float, kWindow> window_;
    std::array<Triangle, kBands> triangles_;
    std::array<float, kFft> windowed_{};  // the last kFft - kWindow stay zero
    std::array<kiss_fft_cpx, kBins> spectrum_;
    std::array<float, kBins> power_;
    std::vector<float> samples_;
};

}  // namespace voices
