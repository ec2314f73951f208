// The long form of the process storm: round after round, each from its own seed, until the time is
// over or something is wrong. tests/storm builds and starts it.
#include <signal.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "process/storm_round.hpp"

namespace {

using namespace headrace::process_storm;
using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "  --minutes N     for so long (1); a fraction may be given\n"
    "  --rounds N      so many rounds instead\n"
    "  --seed N        the seed of the first round; each other has the next one\n"
    "  --same          all rounds have the same seed\n"
    "  --producers N   so many at one time (1 to 32) instead of what the seed says\n"
    "  --place WHERE   ordinary, one-cpu, frozen or tight-memory, instead of what the seed says\n"
    "  --milliseconds N   so long a storm in each round, instead of what the seed says\n"
    "  --quiet         no line for each round\n";

struct Wishes {
    double minutes = 1;
    std::optional<std::uint64_t> rounds, seed;
    bool is_same = false, is_quiet = false;
    std::optional<std::uint32_t> producers, milliseconds;
    std::optional<Place> place;
};

template <class Number>
Number number_in(std::string_view option, std::string_view text) {
    Number number{};
    const auto end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || at != end) {
        throw std::invalid_argument(std::string(option) + " wants a number, found \"" +
                                    std::string(text) + "\"");
    }
    return number;
}

Place place_in(std::string_view text) {
    for (std::uint32_t i = 0; i < kPlaces; ++i) {
        if (name_of(static_cast<Place>(i)) == text) return static_cast<Place>(i);
    }
    throw std::invalid_argument("no such place: " + std::string(text));
}

Wishes read_wishes(int argc, char** argv) {
    Wishes wishes;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        const auto value = [&]() -> std::string_view {
            if (++i == argc) throw std::invalid_argument(std::string(option) + " wants a value");
            return argv[i];
        };
        if (option == "--minutes") {
            wishes.minutes = number_in<double>(option, value());
        } else if (option == "--rounds") {
            wishes.rounds = number_in<std::uint64_t>(option, value());
        } else if (option == "--seed") {
            wishes.seed = number_in<std::uint64_t>(option, value());
        } else if (option == "--producers") {
            wishes.producers = number_in<std::uint32_t>(option, value());
            if (*wishes.producers < 1 || *wishes.producers > kMostSeats) {
                throw std::invalid_argument("--producers: 1 to 32");
            }
        } else if (option == "--milliseconds") {
            wishes.milliseconds = number_in<std::uint32_t>(option, value());
        } else if (option == "--place") {
            wishes.place = place_in(value());
        } else if (option == "--same") {
            wishes.is_same = true;
        } else if (option == "--quiet") {
            wishes.is_quiet = true;
        } else {
            throw std::invalid_argument("unknown option " + std::string(option));
        }
    }
    return wishes;
}

std::atomic<bool> interrupted{false};

class LongStorm {
  public:
    explicit LongStorm(const Wishes& wishes)
        : wishes_(wishes), seed_(wishes.seed.value_or(std::random_device{}())) {}

    int run() {
        std::printf("seed %llu\n", as_printed(seed_));
        const Clock::time_point began = Clock::now();
        const std::chrono::duration<double> limit(wishes_.minutes * 60);
        std::uint64_t done = 0;
        for (; !interrupted.load(); ++done) {
            if (wishes_.rounds ? done >= *wishes_.rounds : Clock::now() - began >= limit) break;
            if (!run_one(wishes_.is_same ? seed_ : seed_ + done)) return 1;
        }
        tell_total();
        return done == 0 ? 1 : 0;
    }

  private:
    static unsigned long long as_printed(std::uint64_t number) { return number; }

    bool run_one(std::uint64_t seed) {
        Plan plan = Plan::of(seed);
        if (wishes_.producers) plan.seats = *wishes_.producers;
        if (wishes_.milliseconds) plan.milliseconds = *wishes_.milliseconds;
        if (wishes_.place) plan.place = *wishes_.place;
        Balance balance;
        std::string why_not;
        std::string wrong = harness_.run(plan, balance, why_not);
        if (!why_not.empty()) {
            if (skipped_[static_cast<std::size_t>(plan.place)]++ == 0) {
                std::printf("skipped: %s: %s\n", std::string(name_of(plan.place)).c_str(),
                            why_not.c_str());
            }
            plan.place = Place::ordinary;
            wrong = harness_.run(plan, balance, why_not);
        }
        total_ += balance;
        ++rounds_[static_cast<std::size_t>(plan.place)];
        if (!wishes_.is_quiet || !wrong.empty()) {
            std::printf("%llu: %s\n    %s\n", as_printed(seed), plan.describe().c_str(),
                        balance.describe().c_str());
        }
        std::fflush(stdout);
        if (wrong.empty()) return true;
        tell_total();
        std::printf(
            "\nWRONG: %s\nagain: tests/storm --seed %llu --same --rounds 100%s%s, and with "
            "--milliseconds "
            "and --preset as now\n"
            "The seed repeats what is done to whom, not how the kernel schedules it.\n",
            wrong.c_str(), as_printed(seed),
            wishes_.producers ? (" --producers " + std::to_string(plan.seats)).c_str() : "",
            wishes_.place ? (" --place " + std::string(name_of(plan.place))).c_str() : "");
        return false;
    }

    void tell_total() {
        std::printf("\nseed %llu, %llu rounds (", as_printed(seed_), as_printed(total_.rounds));
        for (std::size_t i = 0; i < kPlaces; ++i) {
            std::printf("%s%llu %s", i == 0 ? "" : ", ", as_printed(rounds_[i]),
                        std::string(name_of(static_cast<Place>(i))).c_str());
        }
        std::printf(
            "), %.0f s, %.0f kills/s\n%s\n", total_.seconds,
            total_.seconds > 0 ? static_cast<double>(total_.tally.deaths()) / total_.seconds : 0.0,
            total_.describe().c_str());
        for (std::size_t i = 0; i < kPlaces; ++i) {
            if (skipped_[i] == 0) continue;
            std::printf("skipped: %llu rounds %s, made ordinary ones\n", as_printed(skipped_[i]),
                        std::string(name_of(static_cast<Place>(i))).c_str());
        }
    }

    const Wishes wishes_;
    const std::uint64_t seed_;
    Harness harness_;
    Balance total_;
    std::array<std::uint64_t, kPlaces> rounds_{}, skipped_{};
};

}  // namespace

int main(int argc, char** argv) try {
    const Wishes wishes = read_wishes(argc, argv);
    signal(SIGINT, [](int) { interrupted.store(true); });
    signal(SIGTERM, [](int) { interrupted.store(true); });
    return LongStorm(wishes).run();
} catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "%s\n%s", error.what(), kUsage);
    return 2;
}
