#include "curve.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace words {
namespace {

std::string number(std::optional<double> value) {
    if (!value) return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", *value);
    return text;
}

// As gnuplot reads it.
std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char character : text) {
        out += character;
        if (character == '\'') out += '\'';
    }
    return out + "'";
}

std::string script(const std::filesystem::path& numbers, const std::filesystem::path& picture) {
    const std::string data = "plot " + quoted(numbers.string()) + " skip 1 using 1:";
    const auto two_lines = [&data](const std::string& training, const std::string& held_out) {
        return data + training + " with lines title 'training', '' skip 1 using 1:" + held_out +
               " with linespoints pt 7 title 'held out';";
    };
    return std::string(picture.extension() == ".png" ? "set terminal pngcairo"
                                                     : "set terminal svg") +
           " size 900,600;set output " + quoted(picture.string()) +
           ";set datafile missing '-';set multiplot layout 2,1;set grid;set xlabel 'steps';"
           "set ylabel 'loss of a word';" +
           two_lines("2", "4") + "set ylabel 'right, %';set key bottom right;" +
           two_lines("($3*100)", "($5*100)") + "unset multiplot";
}

// The status as of waitpid(), or an error of posix_spawn below zero.
int run_gnuplot(const std::string& commands) {
    std::string program = "gnuplot";
    std::string option = "-e";
    std::string text = commands;
    const std::array<char*, 4> arguments{program.data(), option.data(), text.data(), nullptr};
    pid_t pid = -1;
    const int error =
        posix_spawnp(&pid, program.c_str(), nullptr, nullptr, arguments.data(), environ);
    if (error != 0) return -error;
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

}  // namespace

std::string to_tsv(const Curve& curve) {
    std::string text = "step\tloss\tright\theld_out_loss\theld_out_right\n";
    for (const CurvePoint& point : curve) {
        text += std::to_string(point.step) + '\t' + number(point.loss) + '\t' +
                number(point.right) + '\t' + number(point.held_out_loss) + '\t' +
                number(point.held_out_right) + '\n';
    }
    return text;
}

std::filesystem::path tsv_beside(const std::filesystem::path& picture) {
    auto path = picture;
    return path.replace_extension(".tsv");
}

std::optional<std::string> draw(const Curve& curve, const std::filesystem::path& picture) {
    const std::filesystem::path numbers = tsv_beside(picture);
    std::ofstream file(numbers, std::ios::trunc);
    file << to_tsv(curve);
    file.close();
    if (!file) throw std::runtime_error("cannot write " + numbers.string());
    if (curve.empty()) return "no picture " + picture.string() + ": no epoch is over yet";
    const int status = run_gnuplot(script(numbers, picture));
    if (status == 0) return std::nullopt;
    const std::string left =
        "no picture " + picture.string() + "; the numbers are in " + numbers.string();
    if (status == -ENOENT) {
        return "gnuplot is not there (Debian: gnuplot-nox): " + left;
    }
    return "gnuplot ended with status " +
           std::to_string(status > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : status) + ": " +
           left;
}

}  // namespace words
