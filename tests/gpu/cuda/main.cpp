// Runs one kernel on arguments from a file and writes the arrays back: for the sanitizers, which
// want a program of their own. Every array is a piece of memory of exactly its size.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" void rbgp_entry(void **arguments, const int *shape, const int *constants, int order);

namespace {

template <class T>
T read_one(std::FILE *file) {
    T value;
    if (std::fread(&value, sizeof value, 1, file) != 1) {
        std::abort();
    }
    return value;
}

// As aligned as what cudaMalloc returns needs to be for the widest load.
void *read_aligned(std::FILE *file, long long bytes) {
    void *memory;
    if (posix_memalign(&memory, 16, bytes ? bytes : 1)) {
        std::abort();
    }
    if (std::fread(memory, 1, bytes, file) != static_cast<size_t>(bytes)) {
        std::abort();
    }
    return memory;
}

}  // namespace

int main(int, char **names) {
    std::FILE *file = std::fopen(names[1], "rb");
    int shape[5];
    for (int &extent : shape) {
        extent = read_one<int>(file);
    }
    const int order = read_one<int>(file);
    std::vector<int> constants(read_one<int>(file));
    for (int &constant : constants) {
        constant = read_one<int>(file);
    }
    const int count = read_one<int>(file);
    std::vector<void *> memory(count), pointers(count), arguments(count), written;
    std::vector<long long> written_sizes;
    std::vector<long long> sizes(count);
    std::vector<int> is_array(count);
    for (int i = 0; i < count; ++i) {
        is_array[i] = read_one<int>(file);
        sizes[i] = read_one<long long>(file);
        if (sizes[i] < 0) {
            arguments[i] = &pointers[i];
            continue;
        }
        // A tensor map begins with the address of its array, which follows it; 3 if it is a result.
        if (is_array[i] >= 2) {
            const long long bytes = read_one<long long>(file);
            arguments[i] = memory[i] = read_aligned(file, sizes[i]);
            memory.push_back(read_aligned(file, bytes));
            std::memcpy(memory[i], &memory.back(), sizeof memory[i]);
            if (is_array[i] == 3) {
                written.push_back(memory.back());
                written_sizes.push_back(bytes);
            }
            continue;
        }
        memory[i] = read_aligned(file, sizes[i]);
        pointers[i] = memory[i];
        arguments[i] = is_array[i] ? static_cast<void *>(&pointers[i]) : memory[i];
        if (is_array[i]) {
            written.push_back(memory[i]);
            written_sizes.push_back(sizes[i]);
        }
    }
    std::fclose(file);
    rbgp_entry(arguments.data(), shape, constants.data(), order);
    file = std::fopen(names[1], "wb");
    for (size_t i = 0; i < written.size(); ++i) {
        std::fwrite(written[i], 1, written_sizes[i], file);
    }
    for (void *piece : memory) {
        std::free(piece);
    }
    return std::fclose(file);
}
