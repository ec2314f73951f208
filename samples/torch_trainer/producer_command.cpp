#include "producer_command.hpp"

namespace words {

std::vector<std::string> producer_command(const std::string& program, const WordLists& lists,
                                          const ProducerOptions& options) {
    return {program,
            "--train",
            options.train,
            "--held-out",
            options.held_out,
            "--lists",
            options.folder,
            "--words",
            std::to_string(options.limit),
            "--fingerprint",
            std::to_string(lists.fingerprint),
            "--directory",
            options.directory};
}

}  // namespace words
