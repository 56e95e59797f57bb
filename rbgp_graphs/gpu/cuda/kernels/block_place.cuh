// Which part of the result a block computes: RBGP_TG groups of one u_o, RBGP_GS rows of each, and
// RBGP_BN columns. Included after those are defined.
struct Place {
    int u_o;
    int first_u_i;
    int first_g;
    int first_column;
};

RBGP_DEVICE Place place_of_block() {
    const int slices = rounds(RBGP_GROUP, RBGP_GS), parts = rounds(RBGP_UI, RBGP_TG);
    const int tiles = RBGP_UO * parts * slices;
    int rest = block_index() % tiles;
    Place place;
    place.first_column = block_index() / tiles * RBGP_BN;
    place.first_g = rest % slices * RBGP_GS;
    rest /= slices;
    place.first_u_i = rest % parts * RBGP_TG;
    place.u_o = rest / parts;
    return place;
}
