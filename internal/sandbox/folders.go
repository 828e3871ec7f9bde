package sandbox

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
)

// gescomFolders are the dossiers of gescom, in the order in which
// Options.Folders takes them.
var gescomFolders = []folderName{
	{"3691", "INV40V12_C3", "INV40"},
	{"298324", "Quincaillerie Lefèvre & Fils", "LEFEVRE"},
	{"415502", "L'Atelier d'Été", "ATELIER"},
	{"52817", "Établissements Müller", "MULLER"},
	{"600413", "Négoce \"Le Grand Large\"", "LARGE"},
	{"71290", "Transports Bénard SARL", "BENARD"},
	{"804455", "Pépinières de l'Yonne", "PEPINIERE"},
	{"91238", "Coopérative du Bocage", "BOCAGE"},
	{"102466", "Menuiserie Desnoyers", "DESNOYERS"},
	{"11875", "Garage de l'Hôtel-de-Ville", "GARAGE"},
	{"128840", "Boulangerie Au Pain d'Épices", "PAIN"},
	{"13307", "Imprimerie Ragueneau", "RAGUENEAU"},
	{"140952", "Électricité Lebœuf", "LEBOEUF"},
	{"15518", "Sanitaires & Chauffage du Midi", "MIDI"},
	{"166023", "Librairie Pagès", "PAGES"},
	{"17794", "Vignobles Château-Grillé", "GRILLE"},
	{"183361", "Optique Saint-Étienne", "OPTIQUE"},
	{"19602", "Fromagerie Haÿ", "HAY"},
	{"204417", "Textiles Noël 2000", "NOEL"},
	{"21953", "Carrelages Benoît", "BENOIT"},
	{"220788", "Cycles Éclair", "ECLAIR"},
	{"23146", "Horlogerie Perçin", "PERCIN"},
}

// batimentFolder is the one dossier of batiment.
var batimentFolder = folderName{"7120", "Charpentes Du Héron", "HERON"}

type folderName struct{ id, name, shortName string }

// folder is one dossier.
type folder struct {
	folderName
	product   string
	mariaDB   bool
	forbidden bool

	mu     sync.Mutex
	filled map[string]bool
	seeder *seeder
}

func makeFolders(o Options) []*folder {
	var out []*folder
	for i := range o.Folders {
		out = append(out, &folder{
			folderName: gescomFolders[i], product: "gescom", filled: map[string]bool{}, mariaDB: i == 1,
			forbidden: o.Folders >= 3 && i == o.Folders-1,
		})
	}
	return append(out, &folder{folderName: batimentFolder, product: "batiment", filled: map[string]bool{}})
}

// FolderIDs returns the dossiers of "gescom" or "batiment", or all of them
// for another word, in the order in which the API lists them.
func (s *Server) FolderIDs(product string) []string {
	var out []string
	for _, f := range s.folders {
		if product == f.product || product != "gescom" && product != "batiment" {
			out = append(out, f.id)
		}
	}
	return out
}

// ForbiddenFolder returns the dossier whose reading is refused with 403, or
// "" when there are fewer than three gescom dossiers.
func (s *Server) ForbiddenFolder() string {
	for _, f := range s.folders {
		if f.forbidden {
			return f.id
		}
	}
	return ""
}

func addFolderHandlers(h map[string]handler) {
	for _, p := range []string{"gescom", "batiment", "maintenance"} {
		h[p+".folders.list"] = listFolders
	}
}

// listFolders is GET /v1/Folders (L1753, L2677, L3601).
func listFolders(r *request) (answer, error) {
	offset, limit, err := r.page()
	if err != nil {
		return answer{}, err
	}
	var all []*folder
	for _, f := range r.folders {
		if r.route.product == "maintenance" || r.route.product == f.product {
			all = append(all, f)
		}
	}
	var b bytes.Buffer
	b.WriteString(`{"folders":[`)
	n := 0
	for i := offset; i < len(all) && n < limit; i++ {
		if n > 0 {
			b.WriteByte(',')
		}
		f := all[i]
		b.WriteString(`{"id":`)
		writeString(&b, f.id)
		b.WriteString(`,"name":`)
		writeString(&b, f.name)
		b.WriteString(`,"shortName":`)
		writeString(&b, f.shortName)
		b.WriteString(`,"isMariaDb":` + strconv.FormatBool(f.mariaDB) + `}`)
		n++
	}
	b.WriteString(`],`)
	writePaging(&b, len(all), n, offset, limit)
	b.WriteByte('}')
	return answer{body: b.Bytes(), records: n}, nil
}

// folder returns the dossier a request names, or why it may not be
// read: 404 for one that does not exist (L9811), 403 for a missing right.
func (r *request) folder() (*folder, error) {
	return r.findFolder(r.captured[0], r.route.product)
}

func (r *request) findFolder(id, product string) (*folder, error) {
	for _, f := range r.folders {
		if f.id != id || product != "" && f.product != product {
			continue
		}
		if f.forbidden {
			m := "Vous n'avez pas les droits nécessaires sur le dossier " + id
			return nil, &ebpError{status: http.StatusForbidden, title: "Droits insuffisants", message: m, code: "Forbidden", system: m}
		}
		return f, nil
	}
	return nil, notFound("FolderNotFound", "Le dossier %s n'existe pas", id)
}

// page reads Offset and Limit (L1757). A limit above 100 is refused (L9775).
func (r *request) page() (offset, limit int, err error) {
	if offset, err = r.int32("Offset", 0); err != nil {
		return 0, 0, err
	}
	if limit, err = r.int32("Limit", min(100, r.options.MaxLimit)); err != nil {
		return 0, 0, err
	}
	switch {
	case offset < 0:
		return 0, 0, badRequest("Offset", "Offset doit être positif ou nul")
	case limit < 1:
		return 0, 0, badRequest("Limit", "Limit doit être supérieur à zéro")
	case limit > r.options.MaxLimit:
		return 0, 0, badRequest("Limit", "Limit ne peut pas dépasser %d", r.options.MaxLimit)
	}
	return offset, limit, nil
}

// int32 reads an int32 parameter.
func (r *request) int32(name string, missing int) (int, error) {
	v := r.value(name)
	if v == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0, badRequest(name, "La valeur '%s' n'est pas valide pour %s", v, name)
	}
	return int(n), nil
}
