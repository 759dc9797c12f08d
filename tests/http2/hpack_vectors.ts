/** The examples of RFC 7541 Appendix C.3 to C.6. */

const AUTHORITY = [":authority", "www.example.com"];
/** The lists of Appendix C.3 and C.4. */
export const C3_REQUESTS = [
  [":method", "GET", ":scheme", "http", ":path", "/", ...AUTHORITY],
  [":method", "GET", ":scheme", "http", ":path", "/", ...AUTHORITY, "cache-control", "no-cache"],
  [":method", "GET", ":scheme", "https", ":path", "/index.html", ...AUTHORITY, "custom-key", "custom-value"],
];
const C3_TABLES: [string[], number][] = [
  [AUTHORITY, 57],
  [["cache-control", "no-cache", ...AUTHORITY], 110],
  [["custom-key", "custom-value", "cache-control", "no-cache", ...AUTHORITY], 164],
];
/** The blocks of Appendix C.4. */
export const C4_BLOCKS = [
  "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
  "8286 84be 5886 a8eb 1064 9cbf",
  "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];
const DATE_21 = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const DATE_22 = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"];
const LOCATION = ["location", "https://www.example.com"];
const PRIVATE = ["cache-control", "private"];
const COOKIE = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"];
const C5_RESPONSES = [
  [":status", "302", ...PRIVATE, ...DATE_21, ...LOCATION],
  [":status", "307", ...PRIVATE, ...DATE_21, ...LOCATION],
  [":status", "200", ...PRIVATE, ...DATE_22, ...LOCATION, "content-encoding", "gzip", ...COOKIE],
];
const C5_TABLES: [string[], number][] = [
  [[...LOCATION, ...DATE_21, ...PRIVATE, ":status", "302"], 222],
  [[":status", "307", ...LOCATION, ...DATE_21, ...PRIVATE], 222],
  [[...COOKIE, "content-encoding", "gzip", ...DATE_22], 215],
];

/** Appendix C.3 to C.6: name, table size, blocks, the lists they stand for, the table after each and its size. */
export const SERIES: [string, number, string[], string[][], [string[], number][]][] = [
  [
    "C.3 requests without Huffman",
    4096,
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
    C3_REQUESTS,
    C3_TABLES,
  ],
  ["C.4 requests with Huffman", 4096, C4_BLOCKS, C3_REQUESTS, C3_TABLES],
  [
    "C.5 responses without Huffman, 256 bytes of table",
    256,
    [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
       3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
       7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
       6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
    ],
    C5_RESPONSES,
    C5_TABLES,
  ],
  [
    "C.6 responses with Huffman, 256 bytes of table",
    256,
    [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
       1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
       e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
    C5_RESPONSES,
    C5_TABLES,
  ],
];
