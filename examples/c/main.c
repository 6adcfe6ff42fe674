/* Classify rows of comma-separated numbers from standard input, one row a line:
 *
 *     cc -std=c99 -O2 main.c digits.c -o digits && ./digits < rows.csv
 *
 * Prints a class a line. digits.c and digits.h come from
 * to_c(clf, "digits.c", accuracy=...), see plot_model_in_c.py.
 */
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"

/* Characters of a number, at most. */
#define LONGEST_LINE (32 * DIGITS_N_FEATURES)

static int read_row(const char *line, double *x)
{
    int i;
    char *end;
    for (i = 0; i < DIGITS_N_FEATURES; i++) {
        x[i] = strtod(line, &end);
        if (end == line || (i + 1 < DIGITS_N_FEATURES && *end != ',')) {
            return 0;
        }
        line = end + 1;
    }
    return *end == '\n' || *end == '\r' || *end == '\0';
}

int main(void)
{
    static char line[LONGEST_LINE];
    static digits_workspace workspace;
    double x[DIGITS_N_FEATURES];
    uint8_t codes[DIGITS_N_INPUTS];
    int number;

    for (number = 1; fgets(line, sizeof line, stdin); number++) {
        if (!read_row(line, x)) {
            fprintf(stderr, "line %d: expected %d numbers with commas between them\n",
                    number, DIGITS_N_FEATURES);
            return 1;
        }
        digits_quantize_f64(x, codes);
        printf("%d\n", digits_classes[digits_predict(codes, &workspace)]);
    }
    return 0;
}
