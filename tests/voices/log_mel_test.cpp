#include "log_mel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sound_files.hpp"

namespace {

using voices::kBands;
using voices::kStep;
using voices::kWindow;
using voices::LogMel;
using voices::Reading;
using voices_test::TemporaryFolder;

std::vector<float> room_for(std::size_t frames) {
    return std::vector<float>(frames * kBands);
}

std::size_t loudest_band(std::span<const float> frames, std::size_t frame) {
    const auto row = frames.subspan(frame * kBands, kBands);
    return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

TEST(LogMelTest, PutsASineIntoItsBand) {
    LogMel log_mel;
    std::vector<float> out = room_for(1);
    for (std::size_t band = 0; band < kBands; ++band) {
        const auto samples = voices_test::sine(LogMel::centre_hz(band), kWindow);
        EXPECT_EQ(log_mel.transform(samples, out).frames, 1u);
        // Two neighbours of the lowest bands lie within the width of a window's main lobe.
        EXPECT_NEAR(static_cast<double>(loudest_band(out, 0)), static_cast<double>(band), 1.0);
        if (LogMel::centre_hz(band) > 500) {
            EXPECT_EQ(loudest_band(out, 0), band);
        }
    }
}

TEST(LogMelTest, HasTheSameFrameWhereverTheSoundIsTheSame) {
    LogMel log_mel;
    // 1 kHz repeats itself every 8 samples, and so every step.
    std::vector<float> out = room_for(5);
    EXPECT_EQ(log_mel.transform(voices_test::sine(1000, kWindow + 4 * kStep), out).frames, 5u);
    for (std::size_t i = kBands; i < out.size(); ++i) EXPECT_NEAR(out[i], out[i % kBands], 1e-2f);
}

TEST(LogMelTest, IsLouderByTheLogarithmOfTheEnergy) {
    LogMel log_mel;
    auto samples = voices_test::sine(1000, kWindow);
    std::vector<float> loud = room_for(1);
    std::vector<float> soft = room_for(1);
    log_mel.transform(samples, loud);
    for (float& sample : samples) sample /= 10;
    log_mel.transform(samples, soft);
    const std::size_t band = loudest_band(loud, 0);
    EXPECT_NEAR(loud[band] - soft[band], std::log(100.0f), 1e-3f);
}

TEST(LogMelTest, HasTheNumberOfFramesThatFitInside) {
    LogMel log_mel;
    std::vector<float> out = room_for(10);
    const auto frames = [&](std::size_t samples) {
        return log_mel.transform(voices_test::sine(300, samples), out).frames;
    };
    EXPECT_EQ(frames(0), 0u);
    EXPECT_EQ(frames(kWindow - 1), 0u);
    EXPECT_EQ(frames(kWindow), 1u);
    EXPECT_EQ(frames(kWindow + kStep - 1), 1u);
    EXPECT_EQ(frames(kWindow + kStep), 2u);
}

TEST(LogMelTest, CutsWhatDoesNotFitAndSaysSo) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "x.wav";
    LogMel log_mel;
    std::vector<float> out = room_for(11);
    constexpr float kUntouched = -1234.0f;
    std::fill(out.begin(), out.end(), kUntouched);
    const auto room = std::span(out).first(10 * kBands);
    voices_test::write_wav(path, voices_test::sine(300, kWindow + 9 * kStep));
    Reading reading = log_mel.read(path, room);
    EXPECT_EQ(reading.frames, 10u);
    EXPECT_FALSE(reading.cut);
    for (const std::size_t more : {kStep, 100 * kStep}) {
        voices_test::write_wav(path, voices_test::sine(300, kWindow + 9 * kStep + more));
        reading = log_mel.read(path, room);
        EXPECT_EQ(reading.frames, 10u);
        EXPECT_TRUE(reading.cut);
        EXPECT_EQ(reading.error, "");
    }
    EXPECT_EQ(out[10 * kBands], kUntouched);
}

TEST(LogMelTest, ReadsAFileWithoutASample) {
    const TemporaryFolder folder;
    voices_test::write_wav(folder.path() / "none.wav", {});
    LogMel log_mel;
    std::vector<float> out = room_for(3);
    const Reading reading = log_mel.read(folder.path() / "none.wav", out);
    EXPECT_EQ(reading.frames, 0u);
    EXPECT_FALSE(reading.cut);
    EXPECT_EQ(reading.error, "");
}

TEST(LogMelTest, MixesChannelsDown) {
    const TemporaryFolder folder;
    const auto mono = voices_test::sine(700, 2000);
    std::vector<float> stereo;
    for (const float sample : mono) stereo.insert(stereo.end(), {sample, sample});
    voices_test::write_wav(folder.path() / "mono.wav", mono);
    voices_test::write_wav(folder.path() / "stereo.wav", stereo, 8000, 2);
    LogMel log_mel;
    std::vector<float> one = room_for(100);
    std::vector<float> two = room_for(100);
    const Reading reading = log_mel.read(folder.path() / "mono.wav", one);
    EXPECT_EQ(log_mel.read(folder.path() / "stereo.wav", two).frames, reading.frames);
    EXPECT_EQ(reading.frames, 23u);
    for (std::size_t i = 0; i < one.size(); ++i) ASSERT_NEAR(one[i], two[i], 1e-3f);
}

TEST(LogMelTest, SaysWhatIsWrongWithAFile) {
    const TemporaryFolder folder;
    LogMel log_mel;
    std::vector<float> out = room_for(3);
    const auto error = [&](const char* name) {
        return log_mel.read(folder.path() / name, out).error;
    };
    EXPECT_NE(error("missing.wav"), "");
    voices_test::write_text(folder.path() / "text.wav", "no sound at all, but text");
    EXPECT_NE(error("text.wav"), "");
    voices_test::write_wav(folder.path() / "fast.wav", voices_test::sine(300, 1000), 16000);
    EXPECT_EQ(error("fast.wav"), "16000 Hz, wanted 8000 Hz");
    voices_test::write_wav(folder.path() / "many.wav", std::vector<float>(900), 8000, 9);
    EXPECT_EQ(error("many.wav"), "9 channels, wanted 1 to 8");
    auto samples = voices_test::sine(300, 1000);
    samples[300] = std::numeric_limits<float>::quiet_NaN();
    voices_test::write_float_wav(folder.path() / "nan.wav", samples);
    EXPECT_EQ(error("nan.wav"), "a sample is not a finite number");
}

TEST(LogMelTest, GivesSilenceAFiniteNumber) {
    LogMel log_mel;
    std::vector<float> out = room_for(1);
    log_mel.transform(std::vector<float>(kWindow), out);
    for (const float value : out) EXPECT_TRUE(std::isfinite(value));
}

}  // namespace
