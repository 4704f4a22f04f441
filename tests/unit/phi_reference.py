#!/usr/bin/python3
"""Values and derivatives of the phi-functions to 17 digits, for test_phi.c: phi_reference.py > phi_reference.h

By mpmath with 120 digits, from phi_k(z) = sum_n z^n / (n + k)! and, for large |z|, the recurrence upwards from e^z, which
loses no more than 20 digits of them.
"""
import textwrap

import mpmath

mpmath.mp.dps = 120
HIGHEST = 4
ARGUMENTS = [0, 1e-8, -1e-3, 0.5, 1.0, -1.0, 1.0625, -1.5, -3.25, 5.0, -10.0, 20.0, -31.5, 31.5, -32.5, 40.0, -100.0,
             -4096.0, -1e7, 0.25j, -2j, 6j, 7j, 31j, -40j, 1e4j, -0.5 + 0.5j, 1 - 2j, -3 + 11j, -20 - 20j, -60 + 5j,
             3 + 50j]


def phi(k, z):
    if abs(z) < 100:
        return mpmath.nsum(lambda n: z**n / mpmath.factorial(n + k), [0, 400], method="direct")
    return mpmath.exp(z) if k == 0 else (phi(k - 1, z) - 1 / mpmath.factorial(k - 1)) / z


def number(value):
    return f"{float(mpmath.re(value))!r}, {float(mpmath.im(value))!r}"


print("/* Made by phi_reference.py: z, phi_0 .. phi_4, their derivatives; real and imaginary parts. */")
print("/* clang-format off */")
print("static const double phi_reference[][22] = {")
for argument in ARGUMENTS:
    z = mpmath.mpc(argument)
    values = [phi(k, z) for k in range(HIGHEST + 2)]
    derivatives = [values[k] - k * values[k + 1] for k in range(HIGHEST + 1)]
    row = ", ".join(number(value) for value in [z, *values[:-1], *derivatives])
    print(textwrap.fill("{" + row + "},", 120, initial_indent="    ", subsequent_indent="     "))
print("};")
