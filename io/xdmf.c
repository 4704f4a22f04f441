#include "xdmf.h"

#include <stdio.h>
#include <string.h>

#include "sinode/text_file.h"

/* A name as text of XML. */
static void print_escaped(FILE *stream, const char *text) {
  for (; *text; text++) {
    const char *entity = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : NULL;
    if (entity)
      fputs(entity, stream);
    else
      fputc(*text, stream);
  }
}

/* A complete dataset. File names are relative to the page, which is beside the file. */
static void print_item(FILE *stream, const char *file, const char *dataset, const char *shape, const char *type) {
  fprintf(stream, "        <DataItem Dimensions=\"%s\" %s Format=\"HDF\">", shape, type);
  print_escaped(stream, file);
  fprintf(stream, ":/%s</DataItem>\n", dataset);
}

/* NAME.h5 becomes NAME.xdmf; to a name with another ending .xdmf is added. */
static void name_page(const char *path, char *page) {
  const size_t length = strlen(path), stem = length > 3 && strcmp(path + length - 3, ".h5") == 0 ? length - 3 : length;
  snprintf(page, SN_TEXT_PATH, "%.*s.xdmf", (int)stem, path);
}

sn_status sn_xdmf_write(const char *path, ptrdiff_t members, ptrdiff_t snapshots, ptrdiff_t points, int count,
                        const char *const *names) {
  static const char real[] = "NumberType=\"Float\" Precision=\"8\"", integer[] = "NumberType=\"Int\" Precision=\"4\"";
  const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
  char page[SN_TEXT_PATH], shape[80], extent[3][24];
  sn_text text;
  if (strlen(path) + 6 > sizeof page) return SN_ERROR(SN_ERROR_FILE, "%.60s...: the path is too long", path);
  name_page(path, page);
  snprintf(shape, sizeof shape, "%td %td %td", members, snapshots, points);
  snprintf(extent[0], sizeof extent[0], "%td", members);
  snprintf(extent[1], sizeof extent[1], "%td", snapshots);
  snprintf(extent[2], sizeof extent[2], "%td", points);
  SN_TRY(sn_text_begin(&text));
  fprintf(text.stream,
          "<?xml version=\"1.0\" ?>\n<!DOCTYPE Xdmf SYSTEM \"Xdmf.dtd\" []>\n<Xdmf Version=\"2.0\">\n  <Domain>\n"
          "    <Grid Name=\"x, time, member\" GridType=\"Uniform\">\n"
          "      <Topology TopologyType=\"3DRectMesh\" Dimensions=\"%s\"/>\n"
          "      <Geometry GeometryType=\"VXVYVZ\">\n",
          shape);
  print_item(text.stream, file, "x", extent[2], real);
  print_item(text.stream, file, "time", extent[1], real);
  print_item(text.stream, file, "member", extent[0], integer);
  fputs("      </Geometry>\n", text.stream);
  for (int i = 0; i < count; i++) {
    fprintf(text.stream, "      <Attribute Name=\"%s\" AttributeType=\"Scalar\" Center=\"Node\">\n", names[i]);
    print_item(text.stream, file, names[i], shape, real);
    fputs("      </Attribute>\n", text.stream);
  }
  fputs("    </Grid>\n  </Domain>\n</Xdmf>\n", text.stream);
  return sn_text_replace(&text, page);
}
