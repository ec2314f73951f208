// The command line: finds the subcommand and turns what is thrown into a line and an exit status.
// Status 0: done. 1: it failed. 2: it was asked for wrongly. 130: Ctrl-C.
#include <fcntl.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <string_view>

#include "cli/bench_device.hpp"
#include "cli/bench_session.hpp"
#include "cli/command_line.hpp"
#include "cli/list.hpp"
#include "cli/stat.hpp"
#include "cli/text.hpp"
#include "headrace/error.hpp"

namespace headrace::cli {

namespace {

constexpr std::string_view kHelp = R"(Headrace feeds training loops from producer processes.

Usage:
  headrace bench ring [OPTION...]    measure records from producer processes
  headrace bench loader [OPTION...]  measure batches from producer processes
  headrace bench device [OPTION...]  measure a GPU's batches against its ceilings
  headrace stat NAME [OPTION...]     look at a running ring
  headrace list [OPTION...]          which rings there are; 1 when none answers
  headrace --version
  headrace COMMAND --help            options and examples

Examples:
  headrace bench ring --producers 2 --json result.json
  headrace bench loader --layout padded --fill 0.5
  headrace stat voices --watch
)";

bool is_help(std::string_view word) {
    return word == "--help" || word == "-h" || word == "help";
}

int run_bench(Arguments words) {
    const std::string_view kind = words.empty() ? std::string_view() : words.front();
    if (is_help(kind)) {
        std::cout << kHelp;
        return 0;
    }
    if (kind == "device") {
        const auto options = parse_bench_device(words.subspan(1));
        return options ? bench_device(*options) : 0;
    }
    if (kind != "ring" && kind != "loader") {
        throw UsageError("bench: found \"" + printable(kind) + "\", wanted ring, loader or device");
    }
    const BenchKind which = kind == "ring" ? BenchKind::ring : BenchKind::loader;
    const std::optional<BenchOptions> options = parse_bench(which, words.subspan(1));
    if (!options) return 0;
    return which == BenchKind::ring ? bench_ring(*options) : bench_loader(*options);
}

int run(Arguments words) {
    const std::string_view command = words.empty() ? std::string_view() : words.front();
    if (words.empty())
        throw UsageError("wanted a command: bench, stat or list; see headrace --help");
    if (is_help(command)) {
        std::cout << kHelp;
        return 0;
    }
    if (command == "--version") {
        std::cout << "headrace " << HEADRACE_VERSION << '\n';
        return 0;
    }
    if (command == "bench") return run_bench(words.subspan(1));
    if (command == "bench-producer") return bench_producer(parse_bench_producer(words.subspan(1)));
    if (command == "stat") {
        const std::optional<StatOptions> options = parse_stat(words.subspan(1));
        return options ? stat(*options) : 0;
    }
    if (command == "list") {
        const std::optional<ListOptions> options = parse_list(words.subspan(1));
        return options ? list(*options) : 0;
    }
    throw UsageError("found \"" + printable(command) +
                     "\", wanted a command: bench, stat or list; see headrace --help");
}

// A program started without standard input, output or error must not get one of these numbers for
// its pipes and rings.
void fill_standard_descriptors() {
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(number, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
    }
}

}  // namespace

}  // namespace headrace::cli

int main(int argc, char** argv) {
    using namespace headrace;
    cli::fill_standard_descriptors();
    const cli::Arguments words(argv, static_cast<std::size_t>(argc));
    try {
        const int status = cli::run(words.empty() ? words : words.subspan(1));
        std::cout.flush();
        return status == 0 && !std::cout ? 1 : status;
    } catch (const UsageError& error) {
        std::cerr << "headrace: " << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        std::cerr << "headrace: " << error.what() << '\n';
        return 1;
    }
}
