// How a trainer of words starts its producers.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "word_lists.hpp"

namespace words {

struct ProducerOptions {
    std::string folder = kDebianLists;  ///< what read_word_lists() was told, and `limit`
    std::size_t limit = 0;
    std::string directory = {};  ///< where the rings' sockets lie
    std::string train = {};      ///< name of the ring for training
    std::string held_out = {};   ///< of that for what is held out; empty: there is none
};

/// Program and options, for samples::Processes. `program` is the path of words_producer; producers
/// refuse lists that are not `lists`.
std::vector<std::string> producer_command(const std::string& program, const WordLists& lists,
                                          const ProducerOptions& options);

}  // namespace words
