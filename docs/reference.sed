# What docs/Doxyfile does not read of a header: what says all by itself. A class comment tells
# whether the class can be moved. Lines are emptied, not dropped, so that their numbers stay.
s/^ +[A-Za-z0-9]+\(([A-Za-z0-9]+)&&( other)?\) noexcept;$//
s/^ +[A-Za-z0-9]+& operator=\(([A-Za-z0-9]+)&&( other)?\) noexcept;$//
s/^ +bool operator==\(const [A-Za-z0-9]+&\) const = default;$//
s/^template <> struct DTypeOf<.*//
