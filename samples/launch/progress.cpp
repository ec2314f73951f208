#include "launch/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace samples {
namespace {

constexpr std::chrono::milliseconds kBetweenDrawings{100};

// A terminal that can go back to the start of a line and erase it.
bool is_terminal() {
    const char* const term = std::getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

std::size_t columns() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

}  // namespace

Progress::Progress(std::string program, bool quiet)
    : program_(std::move(program)), quiet_(quiet), terminal_(!quiet && is_terminal()) {}

Progress::~Progress() {
    end();
}

void Progress::line(const std::string& text) {
    if (quiet_) return;
    const std::lock_guard lock(mutex_);
    erase();
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
    draw();
}

void Progress::say(const std::string& text) {
    const std::lock_guard lock(mutex_);
    erase();
    std::fprintf(stderr, "%s: %s\n", program_.c_str(), text.c_str());
    draw();
}

void Progress::begin(const std::string& title, std::uint64_t records) {
    const std::lock_guard lock(mutex_);
    running_ = true;
    title_ = title;
    records_ = std::max<std::uint64_t>(records, 1);
    done_ = 0;
    loss_.reset();
    began_ = Clock::now();
    draw();
}

void Progress::advance(std::uint64_t records, std::optional<double> loss) {
    const std::lock_guard lock(mutex_);
    done_ += records;
    loss_ = loss;
    if (Clock::now() - last_drawn_ >= kBetweenDrawings) draw();
}

void Progress::end() {
    const std::lock_guard lock(mutex_);
    erase();
    running_ = false;
}

void Progress::draw() {
    if (!terminal_ || !running_) return;
    last_drawn_ = Clock::now();
    const double seconds = std::chrono::duration<double>(last_drawn_ - began_).count();
    const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
    const std::string all = std::to_string(records_);
    char loss[32] = "";
    if (loss_) std::snprintf(loss, sizeof loss, "  loss %.3f", *loss_);
    char numbers[96];  // of a fixed width, or the bar would jump
    std::snprintf(numbers, sizeof numbers, " %*llu/%s%s %5.0f records/s",
                  static_cast<int>(all.size()), static_cast<unsigned long long>(done_), all.c_str(),
                  loss, rate);
    // What is left of the line, less the brackets, the spaces and the last column, in which some
    // terminals wrap already.
    const std::size_t wide = columns();
    const std::size_t taken = title_.size() + std::string_view(numbers).size() + 4;
    const std::size_t width = wide > taken ? std::min<std::size_t>(wide - taken, 40) : 0;
    const std::size_t full = std::min<std::uint64_t>(width * done_ / records_, width);
    std::string text =
        title_ + " [" + std::string(full, '#') + std::string(width - full, '-') + "]";
    text += numbers;
    std::printf("\r\033[K%s", text.substr(0, wide - 1).c_str());
    std::fflush(stdout);
    drawn_ = true;
}

void Progress::erase() {
    if (!drawn_) return;
    std::printf("\r\033[K");
    std::fflush(stdout);
    drawn_ = false;
}

}  // namespace samples
