#include "record.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

#include "utf8.hpp"

namespace words {

void publish_word(headrace::ClaimedRecord& record, const Word& word) {
    const std::u32string letters = code_points_of(word.text).value();  // looked at by the reader
    const std::size_t ngrams =
        write_ngrams(letters, record.field<std::int32_t>(kNgrams), record.field<float>(kWeights));
    record.field<std::int32_t>(kLabel)[0] = static_cast<std::int32_t>(word.language);
    record.publish(ngrams, ngrams, 1);
}

}  // namespace words
