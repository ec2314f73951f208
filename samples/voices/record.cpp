#include "record.hpp"

#include <algorithm>

#include "log_mel.hpp"

namespace voices {

headrace::Schema record_schema(std::size_t frames) {
    return {{kMelField, headrace::f32, static_cast<std::uint32_t>(frames * kBands)},
            {kTextField, headrace::i32, kTextCapacity}};
}

std::size_t write_text(const Recording& recording, bool cut, std::span<std::int32_t> out) {
    out[kLanguageAt] = static_cast<std::int32_t>(recording.language);
    out[kCutAt] = cut ? 1 : 0;
    const std::size_t bytes = std::min(recording.prompt.size(), out.size() - kNameAt);
    for (std::size_t i = 0; i < bytes; ++i) {
        out[kNameAt + i] = static_cast<unsigned char>(recording.prompt[i]);
    }
    return kNameAt + bytes;
}

}  // namespace voices
