/**
 * Country codes that a firewall rule may name.
 *
 * @module
 */

/** ISO 3166-1 alpha-2, officially assigned (249), plus `XK`, which country databases use for Kosovo. */
const CODES = new Set(
  ("AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY " +
    "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK " +
    "FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR " +
    "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK " +
    "ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM " +
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF " +
    "TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK")
    .split(" "),
);

/** What a country may be, for error messages. */
export const COUNTRY_WANTED = 'an ISO 3166-1 alpha-2 country code such as "DE", or "XK"';

/**
 * The canonical spelling of a country code.
 *
 * `UK` (write `GB`), `EU` and other codes that are reserved but not assigned are refused: no database returns
 * them, so a rule that names one would never match.
 *
 * @param text two letters in any case
 * @returns upper case, or `undefined` for what isn't an assigned code
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(canonicalCountryCode("de"), "DE");
 * assert.equal(canonicalCountryCode("UK"), undefined);
 * ```
 */
export function canonicalCountryCode(text: string): string | undefined {
  // Before upper-casing: "ß".toUpperCase() is "SS", which is a country.
  if (text.length !== 2) return undefined;
  const code = text.toUpperCase();
  return CODES.has(code) ? code : undefined;
}
