#include "producer_options.hpp"

#include <algorithm>
#include <cxxopts.hpp>
#include <string_view>

#include "launch/text.hpp"
#include "ring_names.hpp"

namespace voices {
namespace {

using samples::value;

// Nothing in it means anything to a shell.
bool is_plain(const std::string& word) {
    constexpr std::string_view kPlain = "_-./:,+=@%";
    const auto plain = [&](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kPlain.find(static_cast<char>(c)) != std::string_view::npos;
    };
    return !word.empty() && std::all_of(word.begin(), word.end(), plain);
}

std::string quoted(const std::string& word) {
    if (is_plain(word)) return word;
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

}  // namespace

std::optional<ProducerOptions> parse_producer_options(int argc, char** argv) {
    ProducerOptions options;
    cxxopts::Options described("voices_producer",
                               "Writes recordings to the rings of `voices`, beside as many other "
                               "producers as there are.");
    auto add = described.add_options();
    add("name", "Of the rings, as the trainer was given it", value(options.name), "NAME");
    add("wait", "Seconds to wait for the trainer", value(options.wait_s), "S");
    add("limit", "Use so many recordings only, as the trainer does; 0: all", value(options.limit),
        "N");
    add("data", "Folder of the recordings, the same ones as the trainer's", value(options.data),
        "DIR");
    add("directory", "Where the rings' sockets lie; empty: the usual place",
        value(options.directory), "DIR");
    add("h,help", "This text");
    if (!samples::parse(described, argc, argv)) return std::nullopt;
    samples::expect_name("name", options.name, kMostNameBytes);
    samples::expect_seconds("wait", options.wait_s);
    return options;
}

std::vector<std::string> to_arguments(const ProducerOptions& options) {
    const ProducerOptions usual;
    std::vector<std::string> arguments{"--name", options.name};
    const auto add = [&](const char* option, const std::string& text) {
        arguments.insert(arguments.end(), {option, text});
    };
    if (options.directory != usual.directory) add("--directory", options.directory);
    if (options.data != usual.data) add("--data", options.data);
    if (options.limit != usual.limit) add("--limit", std::to_string(options.limit));
    if (options.wait_s != usual.wait_s) add("--wait", samples::format("%.17g", options.wait_s));
    return arguments;
}

std::string to_shell(const std::string& program, const std::vector<std::string>& arguments) {
    std::string line = program;
    for (const std::string& argument : arguments) line += " " + quoted(argument);
    return line;
}

}  // namespace voices
