#include "curve.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "gtest/error_text.hpp"
#include "torch_trainer/word_files.hpp"

namespace {

using headrace::contains;

const words::Curve kCurve{
    {.step = 5, .loss = 1.5, .right = 0.25},
    {.step = 10, .loss = 0.125, .right = 1.0 / 3, .held_out_loss = 0.5, .held_out_right = 0.75},
};

const char* const kTable =
    "step\tloss\tright\theld_out_loss\theld_out_right\n"
    "5\t1.5\t0.25\t-\t-\n"
    "10\t0.125\t0.333333333\t0.5\t0.75\n";

// Where programs are looked for while it lives.
class Path {
  public:
    explicit Path(const std::string& path) : before_(std::getenv("PATH")) {
        setenv("PATH", path.c_str(), 1);
    }
    ~Path() { setenv("PATH", before_.c_str(), 1); }
    Path(const Path&) = delete;
    Path& operator=(const Path&) = delete;

  private:
    std::string before_;
};

TEST(CurveTest, IsATable) {
    EXPECT_EQ(words::to_tsv(kCurve), kTable);
    EXPECT_EQ(words::to_tsv({}), "step\tloss\tright\theld_out_loss\theld_out_right\n");
}

TEST(CurveTest, IsAPictureWhereGnuplotIsThere) {
    const words_test::TemporaryFolder folder;
    for (const std::string ending : {".svg", ".png"}) {
        const auto picture = folder.path() / ("it's a curve" + ending);
        const auto why_not = words::draw(kCurve, picture);
        EXPECT_EQ(words_test::read_file(folder.path() / "it's a curve.tsv"), kTable);
        if (why_not && contains(*why_not, "gnuplot is not there")) GTEST_SKIP() << *why_not;
        EXPECT_EQ(why_not.value_or(""), "");
        EXPECT_TRUE(contains(words_test::read_file(picture).substr(0, 1'000),
                             ending == ".png" ? "PNG" : "<svg"));
    }
}

TEST(CurveTest, SaysWhyThereIsNoPicture) {
    const words_test::TemporaryFolder folder;
    const auto picture = folder.path() / "curve.svg";
    const Path path(folder.path().string());
    EXPECT_EQ(words::draw(kCurve, picture).value_or(""),
              "gnuplot is not there (Debian: gnuplot-nox): no picture " + picture.string() +
                  "; the numbers are in " + words::tsv_beside(picture).string());
    words_test::write_file(folder.path() / "gnuplot", "#!/bin/sh\nexit 3\n");
    std::filesystem::permissions(folder.path() / "gnuplot", std::filesystem::perms::owner_all);
    EXPECT_TRUE(contains(words::draw(kCurve, picture).value_or(""), "gnuplot ended with status 3"));
    EXPECT_EQ(words_test::read_file(words::tsv_beside(picture)), kTable);
}

TEST(CurveTest, OfNoPointIsNoPicture) {
    const words_test::TemporaryFolder folder;
    const auto picture = folder.path() / "curve.svg";
    EXPECT_EQ(words::draw({}, picture).value_or(""),
              "no picture " + picture.string() + ": no epoch is over yet");
    EXPECT_EQ(words_test::read_file(words::tsv_beside(picture)), words::to_tsv({}));
}

TEST(CurveTest, NamesAFileThatCannotBeWritten) {
    EXPECT_TRUE(contains(
        headrace::error_text<std::runtime_error>([] { words::draw(kCurve, "/nowhere/curve.svg"); }),
        "/nowhere/curve.tsv"));
}

}  // namespace
