// Batches as LibTorch tensors, and tensors into records. Header-only: torch.hpp, what it includes
// and torch_data.hpp are all that knows LibTorch (1.13 or 2.x), and not part of headrace.hpp. The
// CMake target headrace::torch links what they need. docs/torch.md is the guide.
//
// The namespace is headrace::torch. After `using namespace headrace;` the name torch alone is
// ambiguous: write ::torch for LibTorch's and headrace::torch for this.
#pragma once

#include "headrace/torch/batch_tensors.hpp"
#include "headrace/torch/device.hpp"
#include "headrace/torch/mask.hpp"
#include "headrace/torch/nested.hpp"
#include "headrace/torch/scalar_type.hpp"
#include "headrace/torch/to_owned_tensors.hpp"
#include "headrace/torch/to_tensors.hpp"
#include "headrace/torch/write.hpp"
