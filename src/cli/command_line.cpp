#include "cli/command_line.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cxxopts.hpp>
#include <iostream>
#include <limits>
#include <string_view>
#include <vector>

#include "cli/option_value.hpp"
#include "cli/text.hpp"
#include "headrace/device.hpp"
#include "headrace/error.hpp"
#include "headrace/ring.hpp"

namespace headrace::cli {

namespace {

constexpr std::uint32_t kMaxCapacity = std::numeric_limits<std::int32_t>::max();

constexpr std::string_view kRingExamples = R"(
Producer processes write records into a ring, this process takes them in runs of
--batch and verifies every byte. Inside the timer: from the word that lets the
producers begin to the last byte verified.

Examples:
  headrace bench ring --producers 2
  headrace bench ring --floats 65536 --slots 64 --batch 16 --records 50000
  headrace bench ring --floats 256 --ints 16 --json -
)";

constexpr std::string_view kLoaderExamples = R"(
Producer processes write records into a ring, a loader makes batches of them, and
this process verifies every value, offset and padded tail. Inside the timer: from
the word that lets the producers begin to the last byte verified; batches of a GPU
are copied back to be verified, which `headrace bench device` leaves out.

Examples:
  headrace bench loader --fill 0.5
  headrace bench loader --fill 0.5 --device cuda:0 --transfer gather
  headrace bench loader --layout padded --floats 4096 --fill 0.25 --producers 2
  headrace bench loader --layout trimmed --json result.json
)";

constexpr std::string_view kDeviceExamples = R"(
Questions, each answered by medians of turns that alternate with those of a ceiling:
  link   batches from a ring's memory to the GPU, in each of the ways of --transfer,
         against a plain copy of pinned memory
  strip  the kernel that strips padding, against a copy on the device, CUB and Thrust
  step   training steps of a fixed length, fed by a loader and producer processes:
         what the GPU and the host thread wait for
What was moved is copied back and compared with what was sent, outside of the timers.

Examples:
  headrace bench device --json result.json
  headrace bench device --device cuda:1 --quick
  headrace bench device --only step --transfer gather --producers 4
)";

constexpr std::string_view kStatExamples = R"(
Looks at a running ring of this user from outside, without disturbing it.

Examples:
  headrace stat voices
  headrace stat voices --watch            again every second, until the ring ends
  headrace stat voices --watch 10 --json  one line of JSON every ten seconds
  headrace stat voices --prometheus       for a textfile collector
)";

constexpr std::string_view kListExamples = R"(
Tells which rings of this user answer, within two seconds. Ends with 0 when there is
one, and with 1 when there is none, or when all of them are aborted: a health check.

Examples:
  headrace list
  headrace list --directory /run/headrace
)";

constexpr const char* kDirectoryHelp =
    "folder of the rings' sockets (default: $HEADRACE_DIR, else $XDG_RUNTIME_DIR/headrace, "
    "else /run/headrace)";

constexpr const char* kDeviceHelp =
    "where batches live: host, best (a GPU if there is one), cuda:N";
constexpr const char* kTransferHelp =
    "how batches cross the link to a GPU: automatic, copy, trim, direct or gather";
constexpr const char* kJsonHelp = "write the result as JSON; - for standard output";
constexpr const char* kNameHelp = "name of the ring, for headrace stat (default: bench-PID)";

// What cxxopts has to say about a wrong command line becomes a UsageError.
cxxopts::ParseResult parse(cxxopts::Options& options, Arguments arguments) {
    // cxxopts takes the program's name first.
    std::vector<const char*> words{"headrace"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    try {
        return options.parse(static_cast<int>(words.size()), words.data());
    } catch (const cxxopts::exceptions::exception& error) {
        throw UsageError(std::string(error.what()) + "; see --help");
    }
}

// Called after the options were read: in `--floats --ints 3` cxxopts takes `--ints` for the value
// of
// --floats and leaves the 3, and of the two complaints that about --floats helps.
void refuse_leftovers(const cxxopts::ParseResult& result) {
    if (result.unmatched().empty()) return;
    throw UsageError("found \"" + printable(result.unmatched().front()) +
                     "\", wanted an option; see --help");
}

std::string text_of(const cxxopts::ParseResult& result, const std::string& option) {
    return result.count(option) > 0 ? result[option].as<std::string>() : std::string();
}

// Reads an option as a whole number, or leaves `value` as it is where the option is not given.
template <class T>
void read_count(const cxxopts::ParseResult& result, const std::string& option, std::uint64_t least,
                std::uint64_t most, T& value) {
    if (result.count(option) == 0) return;
    value = static_cast<T>(parse_count("--" + option, text_of(result, option), least, most));
}

cxxopts::Options bench_description(BenchKind kind) {
    const bool loader = kind == BenchKind::loader;
    cxxopts::Options options(loader ? "headrace bench loader" : "headrace bench ring",
                             loader ? "Measures batches from producer processes."
                                    : "Measures records from producer processes.");
    const auto text = [](const char* shown) {
        return cxxopts::value<std::string>()->default_value(shown);
    };
    const auto none = [] { return cxxopts::value<std::string>(); };
    options.add_options()                                                                  //
        ("producers", "producer processes", text("1"), "N")                                //
        ("floats", "capacity of the float field, in elements", text("256"), "N")           //
        ("ints", "capacity of the int field, in elements", text("16"), "N")                //
        ("fill", "share of each capacity that is filled, on average", text("1"), "SHARE")  //
        ("records", "records of the run (default: some 4 GB)", none(), "N")                //
        ("slots", "places of the ring", text("1024"), "N")                                 //
        ("batch", "records of a batch, at most half the slots", text("256"), "N")          //
        ("json", kJsonHelp, none(), "FILE")                                                //
        ("name", kNameHelp, none(), "NAME")                                                //
        ("directory", kDirectoryHelp, none(), "DIR")                                       //
        ("h,help", "this text");
    if (loader) {
        options.add_options()                                                        //
            ("layout", "packed, trimmed, padded or rows", text("packed"), "LAYOUT")  //
            ("device", kDeviceHelp, text("host"), "DEVICE")                          //
            ("transfer", kTransferHelp, text("automatic"), "WAY");
    }
    return options;
}

// An error about a value, with the option's name in front.
template <class Check>
auto naming(std::string_view option, Check check) {
    try {
        return check();
    } catch (const UsageError& error) {
        throw UsageError("--" + std::string(option) + ": " + error.what());
    }
}

void read_transfer(const cxxopts::ParseResult& result, Transfer& transfer) {
    if (result.count("transfer") == 0) return;
    transfer = naming("transfer", [&] { return parse_transfer(text_of(result, "transfer")); });
}

std::string ring_name(const cxxopts::ParseResult& result) {
    std::string name = text_of(result, "name");
    if (name.empty()) name = "bench-" + std::to_string(::getpid());
    check_name("--name", name, kMaxRingNameBytes);
    return name;
}

cxxopts::Options device_description() {
    cxxopts::Options options("headrace bench device",
                             "Measures what a GPU gets from the loader, against its ceilings.");
    const auto text = [](const char* shown) {
        return cxxopts::value<std::string>()->default_value(shown);
    };
    const auto none = [] { return cxxopts::value<std::string>(); };
    options.add_options()                                                          //
        ("device", "the GPU: cuda:N or cuda:GPU-UUID", text("cuda:0"), "DEVICE")   //
        ("only", "one of the questions: link, strip or step", none(), "QUESTION")  //
        ("quick", "fewer turns")                                                   //
        ("transfer", kTransferHelp, text("automatic"), "WAY")                      //
        ("producers", "producer processes that feed the steps", text("2"), "N")    //
        ("json", kJsonHelp, none(), "FILE")                                        //
        ("name", kNameHelp, none(), "NAME")                                        //
        ("directory", kDirectoryHelp, none(), "DIR")                               //
        ("h,help", "this text");
    return options;
}

DeviceQuestion parse_question(const std::string& text) {
    if (text == "link") return DeviceQuestion::link;
    if (text == "strip") return DeviceQuestion::strip;
    if (text == "step") return DeviceQuestion::step;
    throw UsageError("--only: found \"" + printable(text) + "\", wanted link, strip or step");
}

// `--watch 10` as `--watch=10`: cxxopts takes an optional value only after an equals sign.
std::vector<std::string> with_joined_watch(Arguments arguments) {
    std::vector<std::string> words;
    for (const char* argument : arguments) {
        const std::string_view word = argument;
        const bool number = !word.empty() && word.find_first_not_of("0123456789.") == word.npos;
        if (number && !words.empty() && words.back() == "--watch") {
            words.back().append("=").append(word);
        } else {
            words.emplace_back(word);
        }
    }
    return words;
}

// The one positional argument of `headrace stat`.
std::string the_name(const cxxopts::ParseResult& result) {
    if (result.count("name") == 0) throw UsageError("wanted the name of a ring; see --help");
    const auto& names = result["name"].as<std::vector<std::string>>();
    if (names.size() > 1) {
        throw UsageError("found \"" + printable(names[1]) + "\" after the ring's name \"" +
                         printable(names[0]) + "\", wanted one name");
    }
    check_name("ring name", names.front(), kMaxRingNameBytes);
    return names.front();
}

void check_batch(const BenchOptions& options) {
    if (options.batch > options.slots / 2) {
        throw UsageError("--batch: found " + std::to_string(options.batch) + ", wanted at most " +
                         std::to_string(options.slots / 2) + ", half of the " +
                         std::to_string(options.slots) + " slots; see --slots");
    }
}

}  // namespace

std::uint64_t default_records(const RecordShape& shape) noexcept {
    constexpr std::uint64_t kBytes = 4'000'000'000;
    return std::max<std::uint64_t>(1'000, kBytes / shape.capacity_bytes());
}

std::optional<BenchOptions> parse_bench(BenchKind kind, Arguments arguments) {
    cxxopts::Options description = bench_description(kind);
    const cxxopts::ParseResult result = parse(description, arguments);
    if (result.count("help") > 0) {
        std::cout << description.help()
                  << (kind == BenchKind::loader ? kLoaderExamples : kRingExamples);
        return std::nullopt;
    }
    BenchOptions options;
    options.kind = kind;
    read_count(result, "producers", 1, kMaxProducers, options.producers);
    read_count(result, "floats", 1, kMaxCapacity, options.shape.floats);
    read_count(result, "ints", 1, kMaxCapacity, options.shape.ints);
    if (result.count("fill") > 0) {
        options.shape.fill = parse_number("--fill", text_of(result, "fill"), 0, 1);
    }
    options.records = default_records(options.shape);
    read_count(result, "records", 1, std::uint64_t{1} << 40, options.records);
    read_count(result, "slots", 2, kMaxSlots, options.slots);
    read_count(result, "batch", 1, kMaxSlots, options.batch);
    check_batch(options);
    if (kind == BenchKind::loader) {
        if (result.count("layout") > 0) {
            options.layout =
                naming("layout", [&] { return parse_layout(text_of(result, "layout")); });
        }
        if (result.count("device") > 0) options.device = text_of(result, "device");
        naming("device", [&] { return Device::parse(options.device); });
        read_transfer(result, options.transfer);
    }
    options.json = text_of(result, "json");
    options.name = ring_name(result);
    options.directory = text_of(result, "directory");
    refuse_leftovers(result);
    return options;
}

std::optional<DeviceBenchOptions> parse_bench_device(Arguments arguments) {
    cxxopts::Options description = device_description();
    const cxxopts::ParseResult result = parse(description, arguments);
    if (result.count("help") > 0) {
        std::cout << description.help() << kDeviceExamples;
        return std::nullopt;
    }
    DeviceBenchOptions options;
    if (result.count("only") > 0) options.only = parse_question(text_of(result, "only"));
    options.quick = result.count("quick") > 0;
    read_transfer(result, options.transfer);
    read_count(result, "producers", 1, kMaxProducers, options.producers);
    options.json = text_of(result, "json");
    options.name = ring_name(result);
    options.directory = text_of(result, "directory");
    refuse_leftovers(result);
    // Last, for it is the machine that may lack it.
    if (result.count("device") > 0) options.device = text_of(result, "device");
    options.device = naming("device", [&] { return Device::parse(options.device).name(); });
    if (options.device == "host") {
        throw UsageError("--device: found host, wanted a GPU: cuda:N; the host has no link");
    }
    return options;
}

BenchProducerOptions parse_bench_producer(Arguments arguments) {
    cxxopts::Options description("headrace bench-producer", "Started by headrace bench.");
    const auto text = [] { return cxxopts::value<std::string>(); };
    description.add_options()("name", "", text())("fill", "", text())("parent", "", text())(
        "directory", "", text());
    const cxxopts::ParseResult result = parse(description, arguments);
    BenchProducerOptions options;
    options.name = text_of(result, "name");
    options.fill = parse_number("--fill", text_of(result, "fill"), 0, 1);
    options.parent = static_cast<std::int64_t>(parse_count(
        "--parent", text_of(result, "parent"), 1, std::numeric_limits<std::int32_t>::max()));
    options.directory = text_of(result, "directory");
    refuse_leftovers(result);
    return options;
}

std::vector<std::string> bench_producer_arguments(const BenchProducerOptions& options) {
    // The shortest text that reads back as the same number: parent and child must agree on every
    // length.
    std::array<char, 32> fill{};
    const auto written = std::to_chars(fill.data(), fill.data() + fill.size(), options.fill);
    std::vector<std::string> words{"bench-producer", "--name=" + options.name,
                                   "--fill=" + std::string(fill.data(), written.ptr),
                                   "--parent=" + std::to_string(options.parent)};
    if (!options.directory.empty()) words.push_back("--directory=" + options.directory);
    return words;
}

std::optional<StatOptions> parse_stat(Arguments given) {
    const std::vector<std::string> joined = with_joined_watch(given);
    std::vector<const char*> words;
    for (const std::string& word : joined) words.push_back(word.c_str());
    const Arguments arguments(words);
    cxxopts::Options description("headrace stat", "A snapshot of a running ring.");
    description.add_options()  //
        ("watch", "again every so many seconds, until the ring ends",
         cxxopts::value<std::string>()->implicit_value("1"), "SECONDS")                   //
        ("json", "as JSON")                                                               //
        ("prometheus", "in Prometheus' text format")                                      //
        ("directory", kDirectoryHelp, cxxopts::value<std::string>(), "DIR")               //
        ("name", "name of the ring", cxxopts::value<std::vector<std::string>>(), "NAME")  //
        ("h,help", "this text");
    description.parse_positional({"name"});
    description.positional_help("NAME");
    const cxxopts::ParseResult result = parse(description, arguments);
    if (result.count("help") > 0) {
        std::cout << description.help() << kStatExamples;
        return std::nullopt;
    }
    StatOptions options;
    options.name = the_name(result);
    if (result.count("json") > 0 && result.count("prometheus") > 0) {
        throw UsageError("found --json and --prometheus, wanted at most one of them");
    }
    if (result.count("json") > 0) options.format = StatFormat::json;
    if (result.count("prometheus") > 0) options.format = StatFormat::prometheus;
    if (result.count("watch") > 0) {
        options.watch_s = parse_number("--watch", text_of(result, "watch"), 0.05, 86'400);
        if (options.format == StatFormat::prometheus) {
            throw UsageError(
                "found --watch with --prometheus, wanted one of them: a scrape is one "
                "snapshot");
        }
    }
    options.directory = text_of(result, "directory");
    refuse_leftovers(result);
    return options;
}

std::optional<ListOptions> parse_list(Arguments arguments) {
    cxxopts::Options description("headrace list", "The rings that answer in a folder.");
    description.add_options()                                                //
        ("directory", kDirectoryHelp, cxxopts::value<std::string>(), "DIR")  //
        ("h,help", "this text");
    const cxxopts::ParseResult result = parse(description, arguments);
    if (result.count("help") > 0) {
        std::cout << description.help() << kListExamples;
        return std::nullopt;
    }
    refuse_leftovers(result);
    return ListOptions{.directory = text_of(result, "directory")};
}

}  // namespace headrace::cli
